// Who is on which channel: lists in pages, then each change in its place.

import type { ChangeTold, Item, PresentTold } from "./link";
import type { Presence, Present } from "./multiplexor";

/** What is put together of pages and changes; `tell` hears each list that is whole, and each change. */
export function roster(tell: (presence: Presence) => void) {
  const rooms = new Map<string, { users: Map<string, Present>; count: number; anonymous: number; whole: boolean }>();
  /** Lists of which more pages follow. */
  const partial = new Map<string, Present[]>();
  const shown = ({ user, info, since, time }: Partial<PresentTold["users"][0] & ChangeTold>): Present => ({
    user: user!,
    info,
    since: new Date((since ?? time)! * 1000),
  });
  const users = (channel: string): Present[] =>
    [...(rooms.get(channel)?.users.values() ?? [])].sort((one, other) => (one.user < other.user ? -1 : 1));
  const say = (channel: string, change?: { joined?: Present; left?: Present }) => {
    const { count, anonymous } = rooms.get(channel)!;
    tell({ channel, users: users(channel), count, anonymous, ...change });
  };
  const page = ({ channel, users, count, anonymous, more }: PresentTold) => {
    const all = [...(partial.get(channel) ?? []), ...users.map(shown)];
    if (more) return partial.set(channel, all);
    partial.delete(channel);
    rooms.set(channel, { users: new Map(all.map((present) => [present.user, present])), count, anonymous, whole: count === all.length });
    say(channel);
  };
  const change = ({ joined, left }: Pick<Item, "joined" | "left">) => {
    const told = joined ?? left!;
    const room = rooms.get(told.channel);
    if (!room) return;
    const present = shown(told);
    const isThere = room.users.has(present.user);
    // What was told before is told once; of a list that is cut off it is not known who else is there.
    if (room.whole && isThere === !!joined) return;
    if (joined) room.users.set(present.user, present);
    else room.users.delete(present.user);
    room.count += joined ? 1 : -1;
    say(told.channel, joined ? { joined: present } : { left: present });
  };
  return {
    _users: users,
    /** Whether who is there is known of all these. */
    _knows: (names: readonly string[]) => names.every((name) => rooms.has(name)),
    /** Another connection begins: a list that broke off begins anew. */
    _begin: () => partial.clear(),
    /** Only these are listened to. */
    _keep: (names: readonly string[]) => [...rooms.keys()].forEach((name) => names.includes(name) || rooms.delete(name)),
    _item: ({ present, changes, joined, left }: Item) => {
      changes?.forEach(change);
      if (joined ?? left) change({ joined, left });
      [present ?? []].flat().forEach(page);
    },
  };
}

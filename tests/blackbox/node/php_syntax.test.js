// The PHP classes promise PHP 7.4, and Debian has a newer one: a parser told to be 7.4 reads them, and what it
// lets pass though it came later is looked for in the tree.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import path from "node:path";
import test from "node:test";
import { fileURLToPath } from "node:url";

import Engine from "php-parser";

const client = path.resolve(path.dirname(fileURLToPath(import.meta.url)), "../../../clients/php");

/** Functions of PHP 8 that one is used to. */
const LATER = new Set(
  `array_find array_is_list enum_exists fdiv fsync get_debug_type get_resource_id json_validate mb_str_pad
   str_contains str_ends_with str_starts_with`.split(/\s+/),
);
const LATER_TYPES = new Set(["mixed", "static", "never", "false", "true", "null"]);

/** What of a text PHP 7.4 would not understand. */
function tooNew(code) {
  let tree;
  try {
    tree = new Engine({ parser: { version: "7.4", suppressErrors: false }, ast: { withPositions: true } }).parseCode(code);
  } catch (error) {
    return [error.message];
  }
  const found = [];
  const tell = (node, what) => found.push(`${what} in line ${node.loc.start.line}`);
  const look = (node, parent) => {
    if (node === null || typeof node !== "object") return;
    if (Array.isArray(node)) return node.forEach((item) => look(item, parent));
    const { kind } = node;
    if (kind === "uniontype" || kind === "intersectiontype") tell(node, kind);
    if (kind === "parameter" && node.flags) tell(node, "a promoted parameter");
    if (kind === "parameter" && node.value?.kind === "new") tell(node, "new as a default");
    if (node.readonly || node.isReadonly) tell(node, "readonly");
    if (kind === "class" && node.implements?.some((name) => /^\\?Stringable$/i.test(name.name))) tell(node, "Stringable");
    if (kind === "staticlookup" && node.offset?.name === "class" && node.what?.kind === "variable") tell(node, "$object::class");
    for (const type of [node.type, node.returnType]) {
      const name = typeof type === "object" ? (type?.raw ?? type?.name) : undefined;
      if (LATER_TYPES.has(String(name).toLowerCase())) tell(node, `the type ${name}`);
    }
    if (kind === "call" && LATER.has(String(node.what?.name).replace(/^\\/, "").toLowerCase())) tell(node, node.what.name);
    for (const value of Object.values(node)) if (value !== node.loc) look(value, node);
  };
  look(tree, null);
  return found;
}

for (const file of ["Multiplexor.php", "Dklab/Realplexor.php"]) {
  test(`PHP 7.4 understands ${file}`, () => {
    assert.deepEqual(tooNew(readFileSync(path.join(client, file), "utf8")), []);
  });
}

test("what is newer than PHP 7.4 is found", () => {
  for (const code of [
    "function a(int|string $b) {}",
    "$a = match(1) { 1 => 2 };",
    "$a?->b();",
    "a(b: 1);",
    "class A { function __construct(private int $b) {} }",
    "$a = $b ?? throw new E();",
    "try {} catch (E) {}",
    "function a($b,) {}",
    "enum A { case B; }",
    "class A { public readonly int $a; }",
    "class A { function a(): static {} }",
    "function a(mixed $a) {}",
    "function a(): never {}",
    "$a = strlen(...);",
    "function a($b = new A) {}",
    "$a = $b::class;",
    "class A implements \\Stringable {}",
    "class A { const int B = 1; }",
    "str_contains('a', 'b');",
    "\\array_is_list([]);",
  ]) {
    assert.notDeepEqual(tooNew("<?php\n" + code), [], code);
  }
  const fine = "class A { private ?int $a = null; function f(): ?string { return $this->a ?? null; } } $f = fn($x) => [...$x]; $a ??= A::class;";
  assert.deepEqual(tooNew("<?php\n" + fine), []);
});

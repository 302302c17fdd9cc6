//! The calls of the kernel that a server makes.
//!
//! All others fail as if the kernel did not have them (ENOSYS), and not with a signal: a C library that tries a newer call than
//! these goes on with an older one.

use std::collections::BTreeMap;
use std::env::consts::ARCH;

use libc::{
    AF_INET, AF_INET6, AF_NETLINK, AF_UNIX, CLONE_FILES, CLONE_NEWCGROUP, CLONE_NEWIPC, CLONE_NEWNET,
    CLONE_NEWNS, CLONE_NEWPID, CLONE_NEWUSER, CLONE_NEWUTS, ENOSYS, NETLINK_ROUTE, SOCK_DGRAM, SOCK_STREAM,
};
use seccompiler::{
    BpfProgram, SeccompAction, SeccompCmpArgLen as Len, SeccompCmpOp as Op, SeccompCondition as Condition,
    SeccompFilter, SeccompRule, TargetArch, apply_filter_all_threads,
};

/// Shuts all other calls, in every thread. False: this kind of processor is not known.
pub(super) fn shut() -> anyhow::Result<bool> {
    let Some(filter) = filter()? else { return Ok(false) };
    apply_filter_all_threads(&filter)?;
    Ok(true)
}

/// `None`: this kind of processor is not known.
fn filter() -> anyhow::Result<Option<BpfProgram>> {
    let Ok(arch) = TargetArch::try_from(ARCH) else { return Ok(None) };
    let rules = rules()?;
    let errno = u32::try_from(ENOSYS)?;
    let filter = SeccompFilter::new(rules, SeccompAction::Errno(errno), SeccompAction::Allow, arch)?;
    Ok(Some(filter.try_into()?))
}

/// For each call what must be so; nothing: it is always allowed.
fn rules() -> anyhow::Result<BTreeMap<i64, Vec<SeccompRule>>> {
    let always = ALLOWED.iter().chain(OLD);
    let mut rules: BTreeMap<i64, Vec<SeccompRule>> = always.map(|call| (*call, Vec::new())).collect();
    let is = |argument, op, value| Condition::new(argument, Len::Dword, op, value);
    let word = |number: i32| u64::from(number.cast_unsigned());
    let mut sockets = Vec::new();
    for family in [AF_UNIX, AF_INET, AF_INET6] {
        for kind in [SOCK_STREAM, SOCK_DGRAM] {
            let conditions = vec![is(0, Op::Eq, word(family))?, is(1, Op::MaskedEq(KIND), word(kind))?];
            sockets.push(SeccompRule::new(conditions)?);
        }
    }
    // The resolver asks which addresses the machine has.
    let routes = vec![is(0, Op::Eq, word(AF_NETLINK))?, is(2, Op::Eq, word(NETLINK_ROUTE))?];
    sockets.push(SeccompRule::new(routes)?);
    rules.insert(libc::SYS_socket, sockets);
    // Threads, but no namespaces.
    let namespaces =
        [CLONE_NEWCGROUP, CLONE_NEWIPC, CLONE_NEWNET, CLONE_NEWNS, CLONE_NEWPID, CLONE_NEWUSER, CLONE_NEWUTS];
    let mask = namespaces.into_iter().fold(0, |all, one| all | word(one));
    rules.insert(libc::SYS_clone, vec![SeccompRule::new(vec![is(0, Op::MaskedEq(mask), 0)?])?]);
    // A shard has a table of files of its own; no namespace.
    rules.insert(libc::SYS_unshare, vec![SeccompRule::new(vec![is(0, Op::Eq, word(CLONE_FILES))?])?]);
    // No words put into the mouth of whoever sits at the terminal.
    rules.insert(libc::SYS_ioctl, vec![SeccompRule::new(vec![is(1, Op::Ne, TIOCSTI)?])?]);
    Ok(rules)
}

/// What is on every kind of processor. Nothing here looks into another program, loads code into the kernel, changes whom the process is,
/// or sets clocks, names and mounts. One may be begun, to go on in the place of this one: which, Landlock says. It inherits all of this.
/// Rings of io_uring are made before, and do nothing but send; a program that goes on has none.
const ALLOWED: &[i64] = &[
    // Files.
    libc::SYS_openat,
    libc::SYS_close,
    libc::SYS_close_range,
    libc::SYS_read,
    libc::SYS_readv,
    libc::SYS_pread64,
    libc::SYS_preadv,
    libc::SYS_write,
    libc::SYS_writev,
    libc::SYS_pwrite64,
    libc::SYS_pwritev,
    libc::SYS_lseek,
    libc::SYS_fstat,
    libc::SYS_newfstatat,
    libc::SYS_statx,
    libc::SYS_statfs,
    libc::SYS_fstatfs,
    libc::SYS_faccessat,
    libc::SYS_faccessat2,
    libc::SYS_readlinkat,
    libc::SYS_getdents64,
    libc::SYS_getcwd,
    libc::SYS_mkdirat,
    libc::SYS_unlinkat,
    libc::SYS_renameat,
    libc::SYS_renameat2,
    libc::SYS_ftruncate,
    libc::SYS_fallocate,
    libc::SYS_fadvise64,
    libc::SYS_fsync,
    libc::SYS_fdatasync,
    libc::SYS_sync_file_range,
    libc::SYS_flock,
    libc::SYS_fcntl,
    libc::SYS_dup,
    libc::SYS_dup3,
    libc::SYS_pipe2,
    libc::SYS_umask,
    // Memory.
    libc::SYS_brk,
    libc::SYS_mmap,
    libc::SYS_munmap,
    libc::SYS_mremap,
    libc::SYS_mprotect,
    libc::SYS_madvise,
    libc::SYS_mincore,
    libc::SYS_membarrier,
    libc::SYS_get_mempolicy,
    // Threads, and what the process knows of itself.
    libc::SYS_futex,
    libc::SYS_set_robust_list,
    libc::SYS_get_robust_list,
    libc::SYS_rseq,
    libc::SYS_set_tid_address,
    libc::SYS_sched_yield,
    libc::SYS_sched_getaffinity,
    libc::SYS_sched_setaffinity,
    libc::SYS_getcpu,
    libc::SYS_prctl,
    libc::SYS_prlimit64,
    libc::SYS_getrusage,
    libc::SYS_times,
    libc::SYS_sysinfo,
    libc::SYS_uname,
    libc::SYS_getrandom,
    libc::SYS_gettid,
    libc::SYS_getpid,
    libc::SYS_getppid,
    libc::SYS_getuid,
    libc::SYS_geteuid,
    libc::SYS_getgid,
    libc::SYS_getegid,
    // Another program, that goes on.
    libc::SYS_execve,
    libc::SYS_wait4,
    libc::SYS_waitid,
    libc::SYS_exit,
    libc::SYS_exit_group,
    // Signals, to itself: Landlock keeps them from others where the kernel can.
    libc::SYS_rt_sigaction,
    libc::SYS_rt_sigprocmask,
    libc::SYS_rt_sigreturn,
    libc::SYS_rt_sigtimedwait,
    libc::SYS_sigaltstack,
    libc::SYS_restart_syscall,
    libc::SYS_kill,
    libc::SYS_tkill,
    libc::SYS_tgkill,
    // Time.
    libc::SYS_clock_gettime,
    libc::SYS_clock_getres,
    libc::SYS_clock_nanosleep,
    libc::SYS_nanosleep,
    libc::SYS_gettimeofday,
    libc::SYS_timerfd_create,
    libc::SYS_timerfd_settime,
    libc::SYS_timerfd_gettime,
    // Sockets.
    libc::SYS_socketpair,
    libc::SYS_bind,
    libc::SYS_listen,
    libc::SYS_accept,
    libc::SYS_accept4,
    libc::SYS_connect,
    libc::SYS_getsockname,
    libc::SYS_getpeername,
    libc::SYS_sendto,
    libc::SYS_recvfrom,
    libc::SYS_sendmsg,
    libc::SYS_recvmsg,
    libc::SYS_sendmmsg,
    libc::SYS_recvmmsg,
    libc::SYS_setsockopt,
    libc::SYS_getsockopt,
    libc::SYS_shutdown,
    // Waiting for many.
    libc::SYS_ppoll,
    libc::SYS_pselect6,
    libc::SYS_epoll_create1,
    libc::SYS_epoll_ctl,
    libc::SYS_epoll_pwait,
    libc::SYS_epoll_pwait2,
    libc::SYS_eventfd2,
    libc::SYS_io_uring_enter,
];

/// What newer kinds of processors have other calls for.
#[cfg(target_arch = "x86_64")]
const OLD: &[i64] = &[
    libc::SYS_open,
    libc::SYS_stat,
    libc::SYS_lstat,
    libc::SYS_access,
    libc::SYS_readlink,
    libc::SYS_mkdir,
    libc::SYS_unlink,
    libc::SYS_rename,
    libc::SYS_dup2,
    libc::SYS_pipe,
    libc::SYS_poll,
    libc::SYS_select,
    libc::SYS_pause,
    libc::SYS_time,
    libc::SYS_epoll_create,
    libc::SYS_epoll_wait,
    libc::SYS_eventfd,
    libc::SYS_arch_prctl,
    libc::SYS_getrlimit,
    libc::SYS_vfork,
];
#[cfg(not(target_arch = "x86_64"))]
const OLD: &[i64] = &[];

/// The part of a socket's type that is no flag.
const KIND: u64 = 0xf;
/// As all our processors number it; the C libraries have different types for it.
const TIOCSTI: u64 = 0x5412;

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;
    use std::process::Command;

    use rustix::io::Errno;
    use rustix::net::{AddressFamily, SocketType, socket};
    use rustix::process::{PidfdFlags, getpid, pidfd_open};

    #[test]
    fn other_processes_and_raw_sockets_are_shut_and_servers_and_who_goes_on_are_not() {
        let Some(filter) = filter().unwrap() else { return };
        // Of this thread alone.
        let act = || {
            seccompiler::apply_filter(&filter).unwrap();
            let looked = pidfd_open(getpid(), PidfdFlags::empty()).err().map(Errno::raw_os_error);
            let kinds = [AddressFamily::PACKET, AddressFamily::INET, AddressFamily::INET6];
            let raw =
                kinds.map(|family| socket(family, SocketType::RAW, None).err().map(Errno::raw_os_error));
            let listens = TcpListener::bind("127.0.0.1:0").is_ok();
            let thread = std::thread::spawn(|| true).join().unwrap();
            let goes_on = Command::new("true").status().is_ok_and(|status| status.success());
            (looked, raw, [listens, thread, goes_on, sys_unshares()])
        };
        let seen = std::thread::scope(|scope| scope.spawn(act).join().unwrap());
        assert_eq!(seen, (Some(ENOSYS), [Some(ENOSYS); 3], [true; 4]));
    }

    /// Whether a thread, as a shard is one, has a table of files of its own.
    fn sys_unshares() -> bool {
        std::thread::spawn(|| sys::unshare().is_ok()).join().unwrap()
    }
}

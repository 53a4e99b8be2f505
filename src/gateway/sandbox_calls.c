/* gateway/sandbox_calls.c - seccomp: system calls that a mail gateway never makes answer EPERM. */
#include <errno.h>
#include <sched.h>
#include <seccomp.h>
#include <string.h>
#include <sys/socket.h>

#include "gateway/sandbox_parts.h"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define IS_SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define IS_SANITIZED 1
#endif
#endif

/* By name: one that this machine or this libseccomp does not know is passed over. */
static const char *const refused[] = {
    /* other programs */
    "execve",
    "execveat",
    "uselib",
/* other processes, and what is in their memory */
#ifndef IS_SANITIZED /* LeakSanitizer stops the threads with it at the end */
    "ptrace",
#endif
    "process_vm_readv",
    "process_vm_writev",
    "process_madvise",
    "kcmp",
    "pidfd_getfd",
    /* mounts, and another root */
    "mount",
    "umount",
    "umount2",
    "mount_setattr",
    "move_mount",
    "open_tree",
    "fsopen",
    "fsconfig",
    "fsmount",
    "fspick",
    "pivot_root",
    "chroot",
    /* namespaces; clone is below */
    "setns",
    "unshare",
    /* another user, other rights */
    "setuid",
    "setuid32",
    "setgid",
    "setgid32",
    "setreuid",
    "setreuid32",
    "setregid",
    "setregid32",
    "setresuid",
    "setresuid32",
    "setresgid",
    "setresgid32",
    "setgroups",
    "setgroups32",
    "setfsuid",
    "setfsuid32",
    "setfsgid",
    "setfsgid32",
    "capset",
    /* the kernel itself, and its modules */
    "kexec_load",
    "kexec_file_load",
    "reboot",
    "init_module",
    "finit_module",
    "delete_module",
    "create_module",
    "query_module",
    "get_kernel_syms",
    "syslog",
    "_sysctl",
    "sysfs",
    /* programs inside the kernel, and measuring it */
    "bpf",
    "perf_event_open",
    "lookup_dcookie",
    /* ways in that have had more flaws than uses */
    "userfaultfd",
    "io_uring_setup",
    "io_uring_enter",
    "io_uring_register",
    "personality",
    "modify_ldt",
    "vm86",
    "vm86old",
    "remap_file_pages",
    "vmsplice",
    /* keyrings */
    "add_key",
    "request_key",
    "keyctl",
    /* the clock */
    "settimeofday",
    "clock_settime",
    "clock_settime64",
    "clock_adjtime",
    "clock_adjtime64",
    "adjtimex",
    "stime",
    /* disks, quotas, accounts */
    "swapon",
    "swapoff",
    "quotactl",
    "quotactl_fd",
    "acct",
    "nfsservctl",
    /* devices, ports of the machine, its name */
    "mknod",
    "mknodat",
    "ioperm",
    "iopl",
    "pciconfig_read",
    "pciconfig_write",
    "pciconfig_iobase",
    "sethostname",
    "setdomainname",
    "vhangup",
    /* files by their number, past all folders; watching all of them */
    "open_by_handle_at",
    "fanotify_init",
};

const char *sandbox_calls_name(size_t number)
{
    return number < ARRAY_SIZE(refused) ? refused[number] : NULL;
}

/* 0, or a negative number of errno. */
static int refuse_names(scmp_filter_ctx filter)
{
    for (size_t i = 0; i < ARRAY_SIZE(refused); i++) {
        int call = seccomp_syscall_resolve_name(refused[i]);
        int result =
            call == __NR_SCMP_ERROR ? 0 : seccomp_rule_add(filter, SCMP_ACT_ERRNO(EPERM), call, 0);

        if (result < 0)
            return result;
    }
    return 0;
}

/* A new process or thread in new namespaces. What clone3 is asked for lies in memory, where no filter looks:
 * it is not there, and the C library takes clone then. */
static int refuse_namespaces(scmp_filter_ctx filter)
{
    static const unsigned flags[] = { CLONE_NEWNS,   CLONE_NEWCGROUP, CLONE_NEWUTS, CLONE_NEWIPC,
                                      CLONE_NEWUSER, CLONE_NEWPID,    CLONE_NEWNET };
#ifdef __s390__
    const unsigned argument = 1;
#else
    const unsigned argument = 0;
#endif
    int result = seccomp_rule_add(filter, SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(clone3), 0);

    for (size_t i = 0; result == 0 && i < ARRAY_SIZE(flags); i++)
        result = seccomp_rule_add(filter, SCMP_ACT_ERRNO(EPERM), SCMP_SYS(clone), 1,
                                  SCMP_CMP64(argument, SCMP_CMP_MASKED_EQ, flags[i], flags[i]));
    return result;
}

static int refuse_family(scmp_filter_ctx filter, enum scmp_compare how, unsigned family)
{
    const struct scmp_arg_cmp argument = { .arg = 0, .op = how, .datum_a = family };

    return seccomp_rule_add_array(filter, SCMP_ACT_ERRNO(EAFNOSUPPORT), SCMP_SYS(socket), 1,
                                  &argument);
}

/* Sockets of all families but those of mail, and of the C library's look at our addresses. */
static int refuse_families(scmp_filter_ctx filter)
{
    int result = refuse_family(filter, SCMP_CMP_GT, AF_NETLINK);

    for (unsigned family = 0; result == 0 && family < AF_NETLINK; family++)
        if (family != AF_UNIX && family != AF_INET && family != AF_INET6)
            result = refuse_family(filter, SCMP_CMP_EQ, family);
    return result;
}

static int fill(scmp_filter_ctx filter)
{
    int result = seccomp_attr_set(filter, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_ERRNO(EPERM));

    if (result == 0)
        result = seccomp_attr_set(filter, SCMP_FLTATR_CTL_TSYNC, 1);
    if (result == 0) /* a tree and no list: there are many */
        result = seccomp_attr_set(filter, SCMP_FLTATR_CTL_OPTIMIZE, 2);
    if (result == 0)
        result = refuse_names(filter);
    if (result == 0)
        result = refuse_namespaces(filter);
    return result == 0 ? refuse_families(filter) : result;
}

bool sandbox_calls_refuse(struct error *err)
{
    scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ALLOW);
    int result = filter == NULL ? -ENOMEM : fill(filter);

    if (result == 0)
        result = seccomp_load(filter);
    if (filter != NULL)
        seccomp_release(filter);
    return result == 0 || error_set(err, ERROR_SYSTEM, "this kernel takes no filter of seccomp: %s",
                                    strerror(-result));
}

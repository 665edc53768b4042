"""What a process of the lab's may do: it ends with the server, ignores Ctrl-C, prints to stderr, and does not eat the machine's memory."""

import contextlib
import os
import signal

from ravine.base._parent import end_with_parent

STDOUT, STDERR = 1, 2


def confine(memory_bytes: int) -> None:
    """Confine this process; called first, and again once everything is imported if memory is to be counted from there.

    Args:
        memory_bytes: that it may use beyond what it uses now.
    """
    end_with_parent()
    # What a user's code starts here is of this group, and ends with it.
    with contextlib.suppress(AttributeError, OSError):
        os.setpgid(0, 0)
    # Ctrl-C goes to every process of the terminal; the server ends this one.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # It was started deaf to it; what a user's code starts need not be.
    if hasattr(signal, "pthread_sigmask"):
        signal.pthread_sigmask(signal.SIG_UNBLOCK, [signal.SIGINT])
    # What a training prints is a message for the terminal: whoever reads the lab's own output may read no more than the address of it.
    os.dup2(STDERR, STDOUT)
    limit_memory(memory_bytes)


def limit_memory(memory_bytes: int) -> None:
    """Let allocations fail that go beyond so many bytes more than there are; nothing where the system has no such limit."""
    with contextlib.suppress(ImportError, ValueError, OSError):
        import resource  # noqa: PLC0415 - Windows has none

        used = data_bytes()
        _, hard = resource.getrlimit(resource.RLIMIT_DATA)
        wanted = used + memory_bytes
        resource.setrlimit(resource.RLIMIT_DATA, (wanted if hard == resource.RLIM_INFINITY else min(wanted, hard), hard))


def data_bytes() -> int:
    """Bytes of this process's private writable memory, as the limit counts them; 0 where that cannot be told."""
    try:
        with open("/proc/self/statm", "rb") as file:
            return int(file.read().split()[5]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, IndexError, ValueError):
        return 0

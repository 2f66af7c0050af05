# Becomes a program that the kernel's network notices are denied to, as Android denies them to apps: of netlink sockets only
# those that the C library lists addresses by (getifaddrs) can be opened.   deny_netlink.py PROGRAM [ARGUMENT...]
import ctypes, errno, os, platform, socket, struct, sys

SOCKET = {"x86_64": 41, "aarch64": 198}[platform.machine()]
LOAD, EQUAL, RETURN = 0x20, 0x15, 0x06  # of a word of struct seccomp_data; with a constant
NUMBER, DOMAIN, KIND = 0, 16, 24
ALLOW, DENY = 0x7FFF0000, 0x00050000 | errno.EACCES
GETIFADDRS = socket.SOCK_RAW | socket.SOCK_CLOEXEC
steps = [
    (LOAD, 0, 0, NUMBER),
    (EQUAL, 0, 5, SOCKET),
    (LOAD, 0, 0, DOMAIN),
    (EQUAL, 0, 3, socket.AF_NETLINK),
    (LOAD, 0, 0, KIND),
    (EQUAL, 1, 0, GETIFADDRS),
    (RETURN, 0, 0, DENY),
    (RETURN, 0, 0, ALLOW),
]
code = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *step) for step in steps))
program = struct.pack("HxxxxxxQ", len(steps), ctypes.addressof(code))
prctl = ctypes.CDLL(None, use_errno=True).prctl
NO_NEW_PRIVILEGES, SECCOMP, FILTER = 38, 22, 2
if prctl(NO_NEW_PRIVILEGES, 1, 0, 0, 0) != 0 or prctl(SECCOMP, FILTER, program, 0, 0) != 0:
    sys.exit("no seccomp filter: " + os.strerror(ctypes.get_errno()))
try:
    socket.socket(socket.AF_NETLINK, socket.SOCK_DGRAM, 0)
except PermissionError:
    os.execvp(sys.argv[1], sys.argv[1:])
sys.exit("netlink is not denied")

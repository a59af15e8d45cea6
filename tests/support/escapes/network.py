"""Ways to talk to anybody. Each probe is a program; see the package."""

from __future__ import annotations

PROBES = {
    "network_interfaces": """
        names = [line.split(":")[0].strip() for line in open("/proc/net/dev").readlines()[2:]]
        if names != ["lo"]: escaped(names)
    """,
    "network_route_out": """
        s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        attempt(lambda: s.connect(("1.1.1.1", 53)), "a route leads out")
    """,
    "network_tcp_out": """
        s = socket.socket(); s.settimeout(2)
        attempt(lambda: s.connect(("1.1.1.1", 443)), "TCP leads out")
    """,
    "network_ipv6_out": """
        s = socket.socket(socket.AF_INET6); s.settimeout(2)
        attempt(lambda: s.connect(("2606:4700:4700::1111", 443)), "IPv6 leads out")
    """,
    "network_names": """
        attempt(lambda: socket.getaddrinfo("example.org", 80), "names resolve")
    """,
    "vsock": """
        attempt(lambda: socket.socket(getattr(socket, "AF_VSOCK", 40), socket.SOCK_STREAM), "AF_VSOCK")
    """,
    "packet_socket": "attempt(lambda: socket.socket(17, socket.SOCK_RAW), 'AF_PACKET')",
    "raw_socket": "attempt(lambda: socket.socket(socket.AF_INET, socket.SOCK_RAW, 1), 'raw socket')",
    "netlink_socket": "attempt(lambda: socket.socket(16, socket.SOCK_RAW, 0), 'AF_NETLINK')",
    "kernel_crypto_socket": "attempt(lambda: socket.socket(38, socket.SOCK_SEQPACKET, 0), 'AF_ALG')",
    "bluetooth_and_can_sockets": """
        for family in (29, 31, 39, 21, 41, 44):
            attempt(lambda: socket.socket(family, socket.SOCK_RAW, 1), f"socket family {family}")
    """,
    "abstract_unix_sockets_of_the_host": """
        for line in open("/proc/net/unix").readlines()[1:]:
            if "@" in line and "/" in line: escaped(line)
    """,
    "cloud_metadata_address": """
        s = socket.socket(); s.settimeout(2)
        attempt(lambda: s.connect(("169.254.169.254", 80)), "the cloud's metadata address")
    """,
    "gateway_of_the_engine": """
        for host in ("172.17.0.1", "172.18.0.1", "10.0.2.2", "192.168.65.2"):
            for port in (22, 80, 2375):
                s = socket.socket(); s.settimeout(1)
                attempt(lambda: s.connect((host, port)), f"{host}:{port}")
    """,
    "multicast": """
        s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        attempt(lambda: s.sendto(b"x", ("224.0.0.251", 5353)), "multicast")
        s = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
        attempt(lambda: s.sendto(b"x", ("ff02::1%1", 5353)) and 0 or s.sendto(b"x", ("ff05::1", 5353)), "IPv6 multicast")
    """,
    "broadcast": """
        s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        s.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
        attempt(lambda: s.sendto(b"x", ("255.255.255.255", 9)), "broadcast")
    """,
    "change_routes_and_interfaces": """
        import fcntl
        s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        for request in (0x890B, 0x8914, 0x8916, 0x8924, 0x89A0):
            attempt(lambda: fcntl.ioctl(s, request, b"lo".ljust(64, bytes(1))), hex(request))
    """,
    "tunnel_device": "attempt(lambda: os.open('/dev/net/tun', os.O_RDWR), '/dev/net/tun')",
    "privileged_socket_options": """
        s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        for option, name in ((36, "SO_MARK"), (33, "SO_RCVBUFFORCE"), (32, "SO_SNDBUFFORCE")):
            attempt(lambda: s.setsockopt(socket.SOL_SOCKET, option, 1 << 24), name)
        attempt(lambda: s.setsockopt(socket.SOL_IP, 19, 1), "IP_TRANSPARENT")
    """,
    "every_other_socket_family": """
        for family in range(3, 64):
            if family in (socket.AF_INET, socket.AF_INET6): continue
            for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM, socket.SOCK_RAW, socket.SOCK_SEQPACKET):
                attempt(lambda: socket.socket(family, kind, 0), f"socket family {family}")
    """,
    "rare_transports": """
        for kind, protocol in ((socket.SOCK_STREAM, 132), (socket.SOCK_SEQPACKET, 132), (6, 33)):
            attempt(lambda: socket.socket(socket.AF_INET, kind, protocol), f"protocol {protocol}")
    """,
    "raw_ipv6_socket": "attempt(lambda: socket.socket(socket.AF_INET6, socket.SOCK_RAW, 58), 'raw IPv6 socket')",
    "ping_socket": """
        s = None
        try: s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM, 1)
        except OSError: pass
        if s: attempt(lambda: s.sendto(bytes([8, 0, 0, 0, 0, 0, 0, 0]), ("1.1.1.1", 0)), "ping")
    """,
    "unix_sockets_in_the_file_system": """
        for top in ("/run", "/var", "/tmp", "/dev", "/etc", "/opt", "/sandbox", "/sys/fs"):
            for folder, _, names in os.walk(top):
                for name in names:
                    path = os.path.join(folder, name)
                    try: kind = os.lstat(path).st_mode
                    except OSError: continue
                    if stat.S_ISSOCK(kind): escaped(path)
    """,
    "inherited_sockets": """
        for fd in os.listdir("/proc/self/fd"):
            try: where = os.readlink("/proc/self/fd/" + fd)
            except OSError: continue
            if where.startswith("socket:"): escaped((fd, where))
    """,
    "connections_of_the_host": """
        for name in ("tcp", "tcp6", "udp", "udp6", "raw", "packet"):
            try: rows = open("/proc/net/" + name).readlines()[1:]
            except OSError: continue
            if rows: escaped((name, rows[:2]))
    """,
    "routes_and_neighbours_of_the_host": """
        for name in ("route", "arp"):
            try: rows = open("/proc/net/" + name).readlines()[1:]
            except OSError: continue
            if rows: escaped((name, rows))
    """,
}  # fmt: skip

#!/usr/bin/env bash
# Sets what the kernel allows, for as many connections as bench/run makes from this machine to itself. As root;
# lasts until the next start of the machine.
set -euo pipefail

# Local ports for clients, and none of those where bench/run lets servers listen.
sysctl -w net.ipv4.ip_local_port_range='1024 65535'
sysctl -w net.ipv4.ip_local_reserved_ports=19500-19599
# Connections that were not accepted yet, of one listener.
sysctl -w net.core.somaxconn=4096 net.ipv4.tcp_max_syn_backlog=8192
# Open files of all processes; both ends of a connection are one.
sysctl -w fs.file-max=4000000
# Pages for buffers of all sockets, a page being 4 KiB: where it begins to save, and where it stops.
sysctl -w net.ipv4.tcp_mem='1500000 2000000 3000000'

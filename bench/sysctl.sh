#!/usr/bin/env bash
# Sets what the kernel allows, for as many connections as bench/run makes from this machine to itself. As root;
# lasts until the next start of the machine.
set -euo pipefail

# What a server needs, wherever its clients are.
sysctl -p "$(dirname "$0")/../deploy/sysctl.conf"
# Both ends are here: twice the buffers.
sysctl -w net.ipv4.tcp_mem='1500000 2000000 3000000'
# Packets between them, for each processor: beyond that, loopback drops them.
sysctl -w net.core.netdev_max_backlog=30000
# Local ports for clients, and none of those where bench/run lets servers listen.
sysctl -w net.ipv4.ip_local_port_range='1024 65535'
sysctl -w net.ipv4.ip_local_reserved_ports=19500-19599

#!/bin/sh
# Makes the whole file system of the operator's image in FOLDER: the program, the C library and
# what else the program is linked to, certificate authorities, and a user without rights.
#
#   operator-root.sh PROGRAM FOLDER
#
# The Dockerfile and `local-cluster images` both call it, so the two images hold the same.
set -eu

program=$1
root=$2

mkdir -p "$root/etc/ssl/certs" "$root/tmp"
chmod 1777 "$root/tmp"
install -m 755 "$program" "$root/flink-operator"

# Each library at the very path where the loader finds it, the loader itself among them.
ldd "$program" | awk '$2 == "=>" { print $3 } $1 ~ /^\// { print $1 }' | while read -r library; do
    mkdir -p "$root$(dirname "$library")"
    install -m 755 "$(readlink -f "$library")" "$root$library"
done

install -m 644 /etc/ssl/certs/ca-certificates.crt "$root/etc/ssl/certs/ca-certificates.crt"
echo 'flink:x:9999:9999::/:/flink-operator' >"$root/etc/passwd"
echo 'flink:x:9999:' >"$root/etc/group"
echo 'hosts: files dns' >"$root/etc/nsswitch.conf"

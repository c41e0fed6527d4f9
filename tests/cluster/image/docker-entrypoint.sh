#!/usr/bin/env bash
# Start of every Flink container. It takes the words and variables of the official image:
#
#   jobmanager, taskmanager, standalone-job, history-server   that part of Flink, in the foreground
#   help                                                      this list
#   anything else                                             is run as it is
#
#   FLINK_PROPERTIES                 lines "key: value" added to Flink's configuration
#   JOB_MANAGER_RPC_ADDRESS          the same as jobmanager.rpc.address
#   TASK_MANAGER_NUMBER_OF_TASK_SLOTS the same as taskmanager.numberOfTaskSlots
#   ENABLE_BUILT_IN_PLUGINS          jars of opt/ to enable as plug-ins, separated by ";"
#   DISABLE_JEMALLOC                 "true": use the C library's memory allocator
set -euo pipefail

FLINK_HOME=${FLINK_HOME:-/opt/flink}
CONF=${FLINK_CONF_DIR:-$FLINK_HOME/conf}

# Plug-ins each live in a folder of their own, named like the jar without version.
enable_plugins() {
    local jar name jars
    IFS=';' read -ra jars <<<"${ENABLE_BUILT_IN_PLUGINS:-}"
    for jar in "${jars[@]}"; do
        [[ -n $jar ]] || continue
        if [[ ! -f $FLINK_HOME/opt/$jar ]]; then
            echo "ENABLE_BUILT_IN_PLUGINS: $FLINK_HOME/opt has no $jar" >&2
            exit 1
        fi
        name=${jar%-[0-9]*}
        mkdir -p "$FLINK_HOME/plugins/$name"
        ln -sf "$FLINK_HOME/opt/$jar" "$FLINK_HOME/plugins/$name/$jar"
    done
}

# Flink's own program rewrites the file, so nested and flat keys do not contradict each other.
configure() {
    local settings=() line key value
    if [[ -n ${JOB_MANAGER_RPC_ADDRESS:-} ]]; then
        settings+=("-Djobmanager.rpc.address=$JOB_MANAGER_RPC_ADDRESS")
    fi
    if [[ -n ${TASK_MANAGER_NUMBER_OF_TASK_SLOTS:-} ]]; then
        settings+=("-Dtaskmanager.numberOfTaskSlots=$TASK_MANAGER_NUMBER_OF_TASK_SLOTS")
    fi
    while IFS= read -r line; do
        [[ $line =~ ^[[:space:]]*(#.*)?$ ]] && continue
        key=$(sed -E 's/^[[:space:]]*([^:]*[^:[:space:]])[[:space:]]*:.*$/\1/' <<<"$line")
        value=$(sed -E 's/^[^:]*:[[:space:]]*(.*[^[:space:]])[[:space:]]*$/\1/' <<<"$line")
        settings+=("-D$key=$value")
    done <<<"${FLINK_PROPERTIES:-}"
    ((${#settings[@]})) || return 0
    if [[ ! -w $CONF || (-e $CONF/config.yaml && ! -w $CONF/config.yaml) ]]; then
        echo "$CONF cannot be written: FLINK_PROPERTIES and the like are not applied" >&2
        return 0
    fi
    bash "$FLINK_HOME/bin/config-parser-utils.sh" \
        "$CONF" "$FLINK_HOME/bin" "$FLINK_HOME/lib" "${settings[@]}" >/dev/null
}

# Started as root, Flink itself still runs as its own user.
as_flink() {
    if [[ $(id -u) -eq 0 ]]; then
        exec setpriv --reuid=flink --regid=flink --init-groups "$@"
    fi
    exec "$@"
}

use_jemalloc() {
    local library=/usr/lib/$(uname -m)-linux-gnu/libjemalloc.so.2
    if [[ ${DISABLE_JEMALLOC:-false} != true && -f $library ]]; then
        export LD_PRELOAD="${LD_PRELOAD:+$LD_PRELOAD:}$library"
    fi
}

enable_plugins
use_jemalloc
case ${1:-help} in
help)
    sed -n '2,/^set /{/^#/s/^# \{0,1\}//p}' "$0"
    ;;
jobmanager)
    configure
    as_flink "$FLINK_HOME/bin/jobmanager.sh" start-foreground "${@:2}"
    ;;
taskmanager)
    configure
    as_flink "$FLINK_HOME/bin/taskmanager.sh" start-foreground "${@:2}"
    ;;
standalone-job)
    configure
    as_flink "$FLINK_HOME/bin/standalone-job.sh" start-foreground "${@:2}"
    ;;
history-server)
    configure
    as_flink "$FLINK_HOME/bin/historyserver.sh" start-foreground "${@:2}"
    ;;
*)
    configure
    as_flink "$@"
    ;;
esac

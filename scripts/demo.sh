#!/usr/bin/env bash
# The demonstration: a local cluster, the operator from its chart, and a job that is upgraded with its state
# while its load triples, which the autoscaler follows. Ends with 0 only if all of that happened. Starts the
# job anew when run again; `make cluster-down` takes everything back.
#
#   DEMO_FOLLOW=0      stop once the job runs
#   CLUSTER=current    use the cluster of KUBECONFIG (one node, since the job keeps its state in a folder of it),
#                      with kubectl and helm from PATH, and images that its node can pull:
#   OPERATOR_IMAGE     flink-operator:local
#   EXAMPLE_IMAGE      flink-example:2.3, made of examples/jobs/Dockerfile
set -euo pipefail
cd "$(dirname "$0")/.."

operator_image=${OPERATOR_IMAGE:-flink-operator:local}
example_image=${EXAMPLE_IMAGE:-flink-example:2.3}
cluster=${CLUSTER:-own}

began=$SECONDS
say() { printf '[%02d:%02d] %s\n' $(((SECONDS - began) / 60)) $(((SECONDS - began) % 60)) "$*"; }

prepare_own_cluster() {
    if [[ $(id -u) -ne 0 ]]; then
        echo "the local cluster needs root: run \`sudo make demo\`, or \`CLUSTER=current make demo\` on one you have" >&2
        exit 1
    fi
    say "compile the operator and the cluster tool"
    cargo build --quiet --locked --package flink-cluster
    cargo build --quiet --locked --release --package flink-operator
    local tool=$CARGO_TARGET_DIR/debug/local-cluster

    made=examples/jobs/target
    if [[ ! -f $made/flink-example-jobs-2.3.jar || ! -f $made/sql/flink-sql-gateway.jar ]]; then
        say "package the example job"
        mvn --quiet --batch-mode --file examples/jobs/pom.xml package -DskipTests
    fi

    say "start the cluster (its programs are built once)"
    "$tool" up
    KUBECONFIG=$("$tool" kubeconfig)
    kubectl=$("$tool" path kubectl)
    helm=$("$tool" path helm)

    say "make the images (once)"
    "$tool" images flink-2.3 example-2.3 operator
}

if [[ $cluster == current ]]; then
    : "${KUBECONFIG:?CLUSTER=current needs KUBECONFIG}"
    kubectl=kubectl
    helm=helm
else
    prepare_own_cluster
fi
export KUBECONFIG
flink() { "$kubectl" --namespace flink "$@"; }

fail() {
    say "failed; the job and the operator's last words:" >&2
    flink describe flinkdeployment demo >&2 || true
    flink logs deployment/flink-operator --tail 50 >&2 || true
    exit 1
}

say "install the operator"
"$helm" upgrade --install flink-operator charts/flink-operator --namespace flink --create-namespace \
    --set "image.repository=${operator_image%:*},image.tag=${operator_image##*:}" --wait --timeout 2m >/dev/null
# The image keeps its tag when it is made anew, so the pod has to be.
flink rollout restart deployment/flink-operator >/dev/null
flink rollout status deployment/flink-operator --timeout 2m

say "start the job"
flink delete flinkdeployment demo --ignore-not-found --timeout 2m
sed "s|flink-example:2.3|$example_image|" examples/demo.yaml | flink apply --filename -
flink wait flinkdeployment/demo --timeout 5m --for jsonpath='{.status.lifecycleState}'=STABLE || fail

if [[ ${DEMO_FOLLOW:-1} != 0 ]]; then
    say "follow it"
    python3 scripts/follow.py "$kubectl" flink demo || fail
fi

cat <<END

The job goes on; its load falls again eight minutes after its start. To look further:

  export KUBECONFIG=$KUBECONFIG
  alias kubectl=$kubectl
  kubectl --namespace flink get flinkdeployments,pods
  kubectl --namespace flink describe flinkdeployment demo                 # what happened, what the autoscaler says
  kubectl --namespace flink get configmap autoscaler-demo --output yaml   # what it remembers
  kubectl --namespace flink port-forward service/demo-rest 8081           # Flink's web interface
  kubectl --namespace flink logs deployment/flink-operator
  kubectl --namespace flink delete flinkdeployment demo
END
[[ $cluster == current ]] || echo "  make cluster-down                                                       # takes everything back"
say "done"

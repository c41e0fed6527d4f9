#!/usr/bin/env bash
# The demonstration: a local cluster, the operator from its chart, and a job whose load triples and falls,
# which the autoscaler follows. Safe to run again; `make cluster-down` takes everything back.
#
#   DEMO_FOLLOW=0   stop once the job runs, instead of showing what the operator says about it
set -euo pipefail
cd "$(dirname "$0")/.."

began=$SECONDS
say() { printf '[%02d:%02d] %s\n' $(((SECONDS - began) / 60)) $(((SECONDS - began) % 60)) "$*"; }

if [[ $(id -u) -ne 0 ]]; then
    echo "the local cluster needs root: run \`sudo make demo\`, or follow README.md on a cluster you have" >&2
    exit 1
fi

say "compile the operator and the cluster tool"
cargo build --quiet --locked --package flink-cluster
cargo build --quiet --locked --release --package flink-operator
tool=$CARGO_TARGET_DIR/debug/local-cluster

jar=examples/jobs/target/flink-example-jobs-2.3.jar
if [[ ! -f $jar ]]; then
    say "package the example job"
    mvn --quiet --batch-mode --file examples/jobs/pom.xml package -DskipTests
fi

say "start the cluster (its programs are built once)"
"$tool" up
KUBECONFIG=$("$tool" kubeconfig)
export KUBECONFIG
kubectl=$("$tool" path kubectl)
helm=$("$tool" path helm)

say "make the images (once)"
"$tool" images flink-2.3 example-2.3 operator

say "install the operator"
"$helm" upgrade --install flink-operator charts/flink-operator \
    --namespace flink --create-namespace --set image.tag=local --wait --timeout 2m >/dev/null
# The image keeps its tag when it is made anew, so the pod has to be.
"$kubectl" --namespace flink rollout restart deployment/flink-operator >/dev/null
"$kubectl" --namespace flink rollout status deployment/flink-operator --timeout 2m

say "start the job"
"$kubectl" --namespace flink apply --filename examples/demo.yaml
if ! "$kubectl" --namespace flink wait flinkdeployment/demo --timeout 5m \
    --for jsonpath='{.status.lifecycleState}'=STABLE; then
    "$kubectl" --namespace flink describe flinkdeployment demo
    "$kubectl" --namespace flink logs deployment/flink-operator --tail 50
    exit 1
fi

cat <<END

The job runs. To look around in another shell:

  export KUBECONFIG=$KUBECONFIG
  alias kubectl=$kubectl
  kubectl --namespace flink get flinkdeployments,pods
  kubectl --namespace flink describe flinkdeployment demo
  kubectl --namespace flink port-forward service/demo-rest 8081    # Flink's web interface

END
[[ ${DEMO_FOLLOW:-1} == 0 ]] && exit 0
say "what the operator says about the job (Ctrl-C ends this and leaves everything running)"
exec "$kubectl" --namespace flink get events --watch \
    --field-selector involvedObject.name=demo \
    --output custom-columns=TIME:.lastTimestamp,TYPE:.type,REASON:.reason,MESSAGE:.message

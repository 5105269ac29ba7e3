#!/bin/sh
# The demo in a kind cluster: Coder, and kubectl for it. `just kind-up` and `just kind-down` call it.
#
#   kind-cluster/demo.sh up      everything, from nothing; may be repeated
#   kind-cluster/demo.sh down    the cluster and all that is in it
#   kind-cluster/demo.sh apply   only what is applied, to the cluster that KUBECONFIG names. Secret coder-token of namespace coder-kube-filter is yours to
#                                make. DRY_RUN=server changes nothing there; it wants the namespaces coder and coder-kube-filter to be there already
set -eu
cd "$(dirname "$0")/.."
cluster=coder-kube-filter
context=kind-$cluster
email=admin@example.com
password=Dem0-passw0rd!

say() { printf '\n== %s\n' "$*"; }

need() {
    for program in "$@"; do
        command -v "$program" >/dev/null || {
            echo "$program is not on PATH" >&2
            exit 1
        }
    done
}

# kubectl of the demo's cluster, and of no other. With `apply` it is the cluster that KUBECONFIG names.
kube() {
    # shellcheck disable=SC2086 # nothing, or one option
    ${KUBECTL:-kubectl} ${chosen-} "$@"
}

# Applied by the server: the module's ConfigMap is larger than what client-side apply could note down.
apply() { kube apply --server-side --force-conflicts ${DRY_RUN:+"--dry-run=$DRY_RUN"} "$@"; }

prepare() {
    say "the module, and the serving certificate"
    [ -f deploy/kustomize/module/coder_kube_filter.wasm ] || cargo xtask dist
    [ -f deploy/kustomize/components/certificate-files/tls.crt ] || deploy/certificate.sh
    mkdir -p kind-cluster/made
    sed 's|"https://coder.example.com"|"http://localhost:3000"|' envoy/aggregated.yaml >kind-cluster/made/aggregated.yaml
    grep -q '"http://localhost:3000"' kind-cluster/made/aggregated.yaml
}

create_cluster() {
    say "a cluster of three nodes"
    kind get clusters 2>/dev/null | grep -qx "$cluster" || kind create cluster --name "$cluster" --config kind-cluster/kind.yaml
}

apply_coder() {
    say "Coder"
    apply -k kind-cluster/coder
}

# Coder is asked through kube-apiserver's proxy: nothing has to be forwarded.
coder() { kube create --raw "/api/v1/namespaces/coder/services/coder:http/proxy/api/v2/$1" -f -; }

# Its first user is an Owner; a session token of that user is what the filter calls Coder with.
sign_in() {
    say "Coder's first user: $email, $password"
    kube -n coder rollout status deployment/postgres --timeout=10m
    kube -n coder rollout status deployment/coder --timeout=10m
    printf '{"username":"admin","email":"%s","password":"%s","trial":false}' "$email" "$password" | coder users/first >/dev/null 2>&1 || true
    token=$(printf '{"email":"%s","password":"%s"}' "$email" "$password" | coder users/login | sed -n 's/.*"session_token" *: *"\([^"]*\)".*/\1/p')
    [ -n "$token" ] || {
        echo "Coder does not let $email in" >&2
        exit 1
    }
    kube create namespace coder-kube-filter --dry-run=client -o yaml | apply -f -
    # By a pipe: what stands on a command line can be read by others.
    printf %s "$token" | kube -n coder-kube-filter create secret generic coder-token --from-file=token=/dev/stdin --dry-run=client -o yaml | apply -f -
}

apply_filter() {
    say "Envoy with the module, behind an APIService"
    apply -k kind-cluster
}

wait_for_filter() {
    kube -n coder-kube-filter rollout status deployment/coder-kube-filter --timeout=5m
    kube wait --for=condition=Available apiservice/v1alpha1.aggregation.coder.com --timeout=2m
}

show() {
    say "kubectl for Coder"
    kube api-resources --api-group=aggregation.coder.com
    kube apply --server-side -f kind-cluster/template.yaml
    kube -n coder wait codertemplate/coder.example --for=condition=Ready --timeout=5m
    kube apply --server-side -f kind-cluster/workspace.yaml
    kube -n coder wait coderworkspace/coder.admin.example --for=condition=Ready --timeout=5m
    kube -n coder get coderworkspaces,codertemplates
    say "Coder's dashboard: http://localhost:3000 ($email, $password). kubectl --context $context get cws -A"
}

case ${1-} in
up)
    need docker kind kubectl openssl
    chosen=--context=$context
    prepare
    create_cluster
    apply_coder
    sign_in
    apply_filter
    wait_for_filter
    show
    ;;
apply)
    need openssl
    prepare
    apply_coder
    apply_filter
    ;;
down)
    need kind
    kind delete cluster --name "$cluster"
    ;;
*)
    sed -n '2,/^set/s/^# \{0,1\}//p' "$0"
    exit 1
    ;;
esac

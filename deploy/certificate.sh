#!/bin/sh
# A CA and a serving certificate for aggregated mode, beside deploy/kustomize/components/certificate-files/kustomization.yaml, where the overlays take
# them from. Run it again and apply again to renew: Envoy reads a new certificate without a restart. The CA's key is thrown away, so a renewal brings a
# new CA; the one before is believed beside it, until every pod has the new certificate. Whoever has cert-manager takes the overlay cert-manager instead.
#
# The CA before is the one in the folder. Where that is gone, as in a fresh checkout, name a file with what the APIService has (its caBundle, decoded):
#
#   [CA_BEFORE=file] deploy/certificate.sh [folder] [days] [name]
set -eu
folder=${1:-$(dirname "$0")/kustomize/components/certificate-files}
days=${2:-365}
name=${3:-coder-kube-filter.coder-kube-filter.svc}
before=${CA_BEFORE:-$folder/ca.crt}
if [ -n "${CA_BEFORE:-}" ] && [ ! -f "$before" ]; then
    echo "$before, which CA_BEFORE names, is no file" >&2
    exit 1
fi
names=DNS:$name
case $name in
*.svc) names=$names,DNS:$name.cluster.local ;;
esac

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
umask 077
cat >"$work/openssl.cnf" <<END
[req]
distinguished_name = name
prompt = no
[name]
CN = $name
[ca]
basicConstraints = critical, CA:TRUE, pathlen:0
keyUsage = critical, keyCertSign, cRLSign
subjectKeyIdentifier = hash
[serving]
basicConstraints = critical, CA:FALSE
keyUsage = critical, digitalSignature
extendedKeyUsage = serverAuth
subjectAltName = $names
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid
END
for key in ca tls; do
    openssl ecparam -name prime256v1 -genkey -noout -out "$work/$key.key"
done
openssl req -x509 -new -config "$work/openssl.cnf" -extensions ca -subj /CN=coder-kube-filter-ca -days "$days" \
    -key "$work/ca.key" -out "$work/ca.crt"
openssl req -new -config "$work/openssl.cnf" -key "$work/tls.key" -out "$work/tls.csr"
openssl x509 -req -in "$work/tls.csr" -CA "$work/ca.crt" -CAkey "$work/ca.key" -CAcreateserial -days "$days" \
    -extfile "$work/openssl.cnf" -extensions serving -out "$work/tls.crt" 2>"$work/said" || {
    cat "$work/said" >&2
    exit 1
}
mkdir -p "$folder"
# The first of what is there: the CA of the certificate that is in use. Before the first installation a bundle is empty.
[ ! -s "$before" ] || openssl x509 -in "$before" >>"$work/ca.crt"
for file in ca.crt tls.crt tls.key; do
    mv "$work/$file" "$folder/$file"
done
echo "$folder: ca.crt, tls.crt and tls.key for $name, valid for $days days"

# The developer commands. Each recipe calls `cargo xtask`, which does all set-up itself.

# Everything on loopback, a tour with kubectl, and then it stays up
demo *args:
    cargo xtask demo {{ args }}

# Every check and test
test *args:
    cargo xtask test {{ args }}

# The filter against Envoy passing the same bytes on
bench *args:
    cargo xtask bench {{ args }}

# The wasm module, in dist/
build *args:
    cargo xtask build {{ args }}

# A release in dist/: the module, its SBOM, checksums, an OCI image layout
dist:
    cargo xtask dist

# A lab that stays up: lab up, lab status, lab down
lab *args:
    cargo xtask lab {{ args }}

# The demo in a kind cluster: Docker, kind and kubectl are needed
kind-up:
    kind-cluster/demo.sh up

# The demo's cluster and all that is in it
kind-down:
    kind-cluster/demo.sh down

# Format the sources
fmt:
    cargo fmt --all
    just --fmt --unstable

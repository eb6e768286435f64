#!/bin/bash
# `make check-deploy`: what is not run by a test here is judged by the tools of its own trade. Each tool is
# installed into var/tools at the first run, from package registries; one that cannot be had fails the check by
# name. Only `terraform validate` may be missing, and is then said to be.
set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.." || exit
TOOLS=$PWD/var/tools
OUT=$PWD/var/check-deploy
HELM=helm.sh/helm/v3/cmd/helm@v3.18.4
COMPOSE=github.com/compose-spec/compose-go/v2/cmd@v2.6.0
KUBERNETES_VALIDATE=kubernetes-validate==1.33.1
# A helm that `go install` built believes in Kubernetes 1.20 unless told.
KUBERNETES=1.33
mkdir -p "$TOOLS" "$OUT"
failed=()
not_checked=()

step() { # step NAME COMMAND…
  local name=$1
  shift
  printf '\n── %s\n' "$name"
  "$@" || failed+=("$name")
}

go_tool() { # go_tool NAME PACKAGE: a path on standard output
  if command -v "$1" >/dev/null && [ "$1" = helm ]; then
    command -v "$1"
    return
  fi
  [ -x "$TOOLS/$1" ] || { GOBIN=$TOOLS go install "$2" >&2 && { [ -x "$TOOLS/$1" ] || mv "$TOOLS/cmd" "$TOOLS/$1"; }; } || return
  echo "$TOOLS/$1"
}

check_helm() {
  local helm values name code=0
  helm=$(go_tool helm "$HELM") || return
  [ -x "$TOOLS/kubernetes/bin/kubernetes-validate" ] || {
    python3 -m venv "$TOOLS/kubernetes" && "$TOOLS/kubernetes/bin/pip" install --quiet "$KUBERNETES_VALIDATE"
  } || return
  for values in deploy/helm/tried/*.values.yaml; do
    name=$(basename "$values" .values.yaml)
    "$helm" lint --strict --kube-version "$KUBERNETES" --values "$values" deploy/helm/sluice || code=1
    "$helm" template sale deploy/helm/sluice --namespace sale --kube-version "$KUBERNETES" --values "$values" >"$OUT/$name.yaml" || code=1
    # Of objects of others' operators it has no schema.
    .venv/bin/python -m deploy.helm.native "$OUT/$name.yaml" "$OUT/$name.native.yaml" || code=1
    "$TOOLS/kubernetes/bin/kubernetes-validate" --quiet --strict -k "$KUBERNETES" "$OUT/$name.native.yaml" || code=1
    # The control: a judge that lets everything pass is none.
    sed 's/maxUnavailable: 0/maxUnavailabl: 0/' "$OUT/$name.native.yaml" >"$OUT/$name.broken.yaml"
    if "$TOOLS/kubernetes/bin/kubernetes-validate" --quiet --strict -k "$KUBERNETES" "$OUT/$name.broken.yaml" >/dev/null 2>&1; then
      echo "kubernetes-validate lets a mistyped field pass" >&2
      code=1
    fi
    .venv/bin/python -m deploy.helm.checking "$OUT/$name.yaml" || code=1
  done
  # What must be said is asked for, and nothing is guessed.
  if "$helm" template sale deploy/helm/sluice --kube-version "$KUBERNETES" >/dev/null 2>"$OUT/without-values"; then
    echo "the chart renders without a single value" >&2
    code=1
  fi
  return $code
}

check_compose() {
  local compose size code=0
  compose=$(go_tool compose-config "$COMPOSE") || return
  for size in small full; do
    .venv/bin/python -m deploy.compose.checking "$size" >"$OUT/$size.compose.yaml" || code=1
    "$compose" "$OUT/$size.compose.yaml" >"$OUT/$size.loaded.yaml" || code=1
    echo "compose.yaml with $size.env: $(grep -c '^        image:' "$OUT/$size.loaded.yaml") services"
  done
  # The control.
  sed 's/condition: service_healthy/condition: service_helthy/' "$OUT/full.compose.yaml" >"$OUT/broken.compose.yaml"
  if "$compose" "$OUT/broken.compose.yaml" >/dev/null 2>&1; then
    echo "compose-go lets a mistyped condition pass" >&2
    code=1
  fi
  .venv/bin/pytest -q tests/deploy/test_compose.py || code=1
  return $code
}

check_terraform() {
  command -v terraform >/dev/null || {
    not_checked+=("terraform: not installed")
    return 0
  }
  terraform fmt -check -diff -recursive deploy/terraform || return
  if terraform -chdir=deploy/terraform init -backend=false -input=false >"$OUT/terraform-init" 2>&1; then
    terraform -chdir=deploy/terraform validate
  else
    not_checked+=("terraform validate: the provider's plugin cannot be had, see $OUT/terraform-init")
  fi
}

# Alloy's own parser; what the components' arguments mean only Alloy itself knows.
check_alloy() {
  command -v go >/dev/null || {
    not_checked+=("Alloy's configurations: no go to build their parser with")
    return 0
  }
  [ -x "$TOOLS/alloy-syntax" ] || (cd deploy/logs/syntax && go build -o "$TOOLS/alloy-syntax" .) || return
  "$TOOLS/alloy-syntax" deploy/logs/alloy.config deploy/logs/containers.alloy || return
  # The control.
  sed 's/forward_to = \[\]/forward_to = [/' deploy/logs/containers.alloy >"$OUT/broken.alloy"
  if "$TOOLS/alloy-syntax" "$OUT/broken.alloy" 2>/dev/null; then
    echo "the parser lets an open bracket pass" >&2
    return 1
  fi
}

check_shell() {
  local file code=0
  while IFS= read -r file; do
    case $(head -n 1 "$file") in
      *bash*) bash -n "$file" || code=1 ;;
      *) sh -n "$file" || code=1 ;;
    esac
  done < <(git ls-files 'deploy/*.sh' 'deploy/**/*.sh')
  if command -v shellcheck >/dev/null; then
    git ls-files 'deploy/*.sh' 'deploy/**/*.sh' | xargs shellcheck --external-sources || code=1
  else
    not_checked+=("shellcheck: not installed, only the syntax was read")
  fi
  return $code
}

step helm check_helm
step compose check_compose
step terraform check_terraform
step alloy check_alloy
step "shell scripts" check_shell
for what in "${not_checked[@]}"; do printf '\nNOT CHECKED  %s\n' "$what"; done
if [ ${#failed[@]} -gt 0 ]; then
  printf '\nfailed: %s\n' "$(IFS=,; echo "${failed[*]}")" >&2
  exit 1
fi

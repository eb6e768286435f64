#!/bin/bash
# Build the three images. With an engine: ENGINE=docker deploy/images/build.sh. Without one, the default: buildah
# with chroot isolation, on a base that debootstrap makes. Needs root for that, and the packages buildah and
# debootstrap. `build.sh gateway python` builds only those.
#   TAG=dev                what the images are called: sluice-gateway:dev
#   BASE_IMAGE=…           another base than Debian 12, by digest in a release
#   BUILD_MOUNTS="a:b …"   files of this machine that package managers need (settings of pip, npm, apt)
#   BUILD_CA=FILE          an authority that stands between this machine and the registries
#   SOURCE_DATE_EPOCH      when the images are said to be made; the last commit's time unless set
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
ENGINE=${ENGINE:-buildah}
TAG=${TAG:-dev}
export SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct)}
families=("$@")
[ $# -gt 0 ] || families=(gateway edge python)

for family in "${families[@]}"; do
  [ -e "deploy/images/$family.Containerfile" ] || {
    echo "build.sh: no family $family; there are gateway, edge, python" >&2
    exit 2
  }
done

mounts=()
for mount in ${BUILD_MOUNTS:-}; do mounts+=(--volume "$mount:ro"); done
# Arguments of the build stages only: nothing of it is left in an image.
if [ -n "${BUILD_CA:-}" ]; then
  mounts+=(--volume "$BUILD_CA:/run/build-ca.pem:ro")
  mounts+=(--build-arg PIP_CERT=/run/build-ca.pem --build-arg NPM_CONFIG_CAFILE=/run/build-ca.pem)
fi

# minbase has no more than apt needs; what Debian's slim image leaves out is left out here too.
make_base() {
  local folder mirror
  mirror=$(awk '/^URIs:/ {print $2; exit} /^deb / {for (i = 2; i <= NF; i++) if ($i ~ /^http/) {print $i; exit}}' \
    /etc/apt/sources.list.d/*.sources /etc/apt/sources.list 2>/dev/null)
  folder=$(mktemp -d)
  debootstrap --variant=minbase bookworm "$folder" "$mirror"
  rm -rf "$folder"/var/lib/apt/lists/* "$folder"/var/cache/apt/* "$folder"/usr/share/{doc,man,locale}/*
  cp /etc/apt/sources.list.d/*.sources "$folder/etc/apt/sources.list.d/" 2>/dev/null ||
    cp /etc/apt/sources.list "$folder/etc/apt/sources.list"
  tar --create --sort=name --mtime="@$SOURCE_DATE_EPOCH" --numeric-owner --directory "$folder" . |
    buildah_import localhost/sluice-base:bookworm
  rm -rf "$folder"
}

buildah_import() { # buildah_import NAME: the root file system on standard input becomes an image
  local container layer
  layer=$(mktemp)
  cat >"$layer"
  container=$(buildah from scratch)
  buildah add --quiet "$container" "$layer" /
  buildah config --cmd /bin/bash --env PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin "$container"
  buildah commit --quiet --rm --timestamp "$SOURCE_DATE_EPOCH" "$container" "$1"
  rm -f "$layer"
}

if [ "$ENGINE" = buildah ] && [ -z "${BASE_IMAGE:-}" ]; then
  BASE_IMAGE=localhost/sluice-base:bookworm
  buildah inspect --type image "$BASE_IMAGE" >/dev/null 2>&1 || make_base
fi

for family in "${families[@]}"; do
  options=(--file "deploy/images/$family.Containerfile" --tag "sluice-$family:$TAG" --build-arg "BASE_IMAGE=${BASE_IMAGE:-debian:12-slim}")
  case $ENGINE in
    # HEALTHCHECK is not in OCI's format; the timestamp makes two builds of one tree the same image.
    buildah) buildah bud --isolation chroot --format docker --layers --timestamp "$SOURCE_DATE_EPOCH" "${mounts[@]}" "${options[@]}" . ;;
    *) "$ENGINE" build "${options[@]}" . ;;
  esac
done
[ "$ENGINE" != buildah ] || buildah images --format '{{.Name}}:{{.Tag}} {{.Size}}' | grep sluice

# What .ci/crosscheck and .ci/static share: a copy of the toolchain that can take more targets, the standard library's
# source, and zig as a C compiler and linker for them. Sourced by bash with `me` set to the caller's name.
#
# Everything is kept in ${XDG_CACHE_HOME:-~/.cache}/mpmosh-crosscheck, one caller at a time; what the machine has
# installed is not touched.
# shellcheck shell=bash

zig_version=0.17.1
cache=${XDG_CACHE_HOME:-$HOME/.cache}/mpmosh-crosscheck
mkdir -p "$cache/log"
exec 9>"$cache/lock"
flock 9

say() { printf '%s: %s\n' "${me:?}" "$*"; }
die() { say "$*" >&2; exit 1; }
# Runs a command quietly; shows the end of what it said when it fails.
quietly() { # NAME COMMAND…
  local log=$cache/log/$1
  shift
  "$@" >"$log" 2>&1 || { tail -25 "$log" >&2; return 1; }
}

sysroot=$(rustc --print sysroot)
release=$(rustc -vV | sed -n 's/^release: //p')

# --- Debian packages, of any suite, without touching the machine's own lists ---

# apt-get and apt-cache for one suite of the archive.
apt_of() { # SUITE TOOL ARGUMENT…
  local suite=$1 dir=$cache/apt/$1 keyring=/usr/share/keyrings/debian-archive-keyring.gpg
  shift
  if [ ! -e "$dir/updated" ]; then
    [ -e "$keyring" ] && command -v apt-get >/dev/null || return 1
    mkdir -p "$dir/lists/partial" "$dir/cache/archives/partial"
    echo "deb [signed-by=$keyring] http://deb.debian.org/debian $suite main" >"$dir/sources.list"
    set -- update-first "$@"
  fi
  local options=(-o "Dir::Etc::sourcelist=$dir/sources.list" -o Dir::Etc::sourceparts=- -o "Dir::State::lists=$dir/lists"
    -o "Dir::Cache=$dir/cache" -o Dir::State::status=/dev/null -o APT::Sandbox::User=root
    -o Acquire::Languages=none -o Acquire::Retries=3 -o Acquire::IndexTargets::deb::DEP-11::DefaultEnabled=false)
  if [ "$1" = update-first ]; then
    shift
    quietly "apt-$suite" apt-get "${options[@]}" update && touch "$dir/updated"
  fi
  local tool=$1
  shift
  "$tool" "${options[@]}" "$@"
}

# Downloads packages into the current folder and unpacks them there.
unpack() { # SUITE PACKAGE…
  local suite=$1 deb
  shift
  quietly "download-$suite" apt_of "$suite" apt-get download "$@"
  for deb in *.deb; do
    dpkg-deb -x "$deb" .
    rm "$deb"
  done
}

# --- A toolchain of our own: the machine's, with more targets ------------------

tools=$cache/rust-$release
if [ ! -x "$tools/bin/rustc" ]; then
  rm -rf "$tools.new"
  mkdir -p "$tools.new/lib/rustlib"
  # Hard links where the file system allows them. rustc finds its libraries by its own place, which a symbolic link loses.
  link() { cp -al "$@" 2>/dev/null || cp -a "$@"; }
  link "$sysroot/bin" "$tools.new/"
  for entry in "$sysroot"/lib/*; do
    [ "${entry##*/}" = rustlib ] || link "$entry" "$tools.new/lib/"
  done
  for target in "$sysroot"/lib/rustlib/*-*-*; do link "$target" "$tools.new/lib/rustlib/"; done
  mv "$tools.new" "$tools"
fi

# The source of the standard library; prints its folder.
library() {
  local own=$sysroot/lib/rustlib/src/rust/library suite version dir=$cache/library-$release
  if [ -e "$own/Cargo.lock" ]; then echo "$own"; return; fi
  if [ -e "$dir/Cargo.lock" ]; then echo "$dir"; return; fi
  for suite in trixie-backports trixie forky sid; do
    version=$(apt_of "$suite" apt-cache madison rust-src | awk -F'[ |]+' -v r="$release" 'index($3, r "+") == 1 { print $3; exit }') || continue
    [ -n "$version" ] || continue
    rm -rf "$dir.new" && mkdir -p "$dir.new"
    (cd "$dir.new" && unpack "$suite" "rust-src=$version")
    mv "$dir.new"/usr/src/rustc-*/library "$dir"
    rm -rf "$dir.new" "$dir/vendor" # cargo brings the library's dependencies by its Cargo.lock
    say "standard library's source: rust-src $version of Debian $suite" >&2
    echo "$dir"
    return
  done
  # Quick where rustup's server can be reached, and hopeless elsewhere.
  if quietly rust-src timeout 60 rustup component add rust-src && [ -e "$own/Cargo.lock" ]; then echo "$own"; return; fi
  return 1
}

# --- zig: a C compiler and a linker for every target ---

zig_target() {
  case $1 in
    *-freebsd) echo x86_64-freebsd ;;
    *-netbsd) echo x86_64-netbsd ;;
    *-openbsd) echo x86_64-openbsd ;;
    *-apple-darwin) echo aarch64-macos ;;
    aarch64-linux-android) echo aarch64-linux-musl ;; # zig has no bionic; its headers are not asked for
    aarch64-unknown-linux-gnu) echo aarch64-linux-gnu ;;
    *-linux-musl) echo "${1%%-*}-linux-musl" ;;
    *) die "no C compiler is known for $1" ;;
  esac
}

zig=$cache/zig-$zig_version/ziglang/zig

setup_zig() {
  if [ ! -x "$zig" ]; then
    local folder=$cache/zig-$zig_version
    quietly pip python3 -m pip download -q --no-deps --dest "$folder" "ziglang==$zig_version" ||
      die "no zig from PyPI (python3 -m pip is needed)"
    python3 -m zipfile -e "$folder"/*.whl "$folder"
    rm "$folder"/*.whl
    chmod +x "$zig"
  fi
  export ZIG_GLOBAL_CACHE_DIR=$cache/zig-cache ZIG_LOCAL_CACHE_DIR=$cache/zig-cache
}

# Makes cc, ar and ranlib for a target, and tells cargo of them. cc-rs speaks to cc as to clang and rustc as to gcc; zig
# names its targets otherwise, and brings its own start files and unwinder.
setup_cc() { # TARGET
  local target=$1 dir=$cache/cc/$1 low=${1//-/_}
  mkdir -p "$dir"
  cat >"$dir/cc" <<END
#!/usr/bin/env bash
arguments=() skip=
for argument; do
  case \$skip\$argument in
    -arch) skip=yes ;;
    yes*) skip= ;;
    --target=* | -m64 | -march=* | -mmacosx-version-min=* | -nostartfiles | -lgcc | *crt1.o | *crti.o | *crtn.o) ;;
    *crtbegin*.o | *crtend*.o) ;;
    -lgcc_s | -lgcc_eh) arguments+=(-lunwind) ;;
    *) arguments+=("\$argument") ;;
  esac
done
exec "$zig" cc -target $(zig_target "$target") "\${arguments[@]}"
END
  printf '#!/bin/sh\nexec "%s" ar "$@"\n' "$zig" >"$dir/ar"
  printf '#!/bin/sh\nexec "%s" ranlib "$@"\n' "$zig" >"$dir/ranlib"
  chmod +x "$dir"/*
  export "CC_$low=$dir/cc" "AR_$low=$dir/ar" "RANLIB_$low=$dir/ranlib"
}

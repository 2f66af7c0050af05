# shellcheck shell=bash disable=SC2034,SC2154
TERMUX_PKG_HOMEPAGE=https://github.com/mpmosh/mpmosh
TERMUX_PKG_DESCRIPTION="Mobile shell over every network path at once"
TERMUX_PKG_LICENSE="MIT, Apache-2.0"
TERMUX_PKG_LICENSE_FILE="LICENSE-MIT, LICENSE-APACHE"
TERMUX_PKG_MAINTAINER="@termux"
TERMUX_PKG_VERSION="@VERSION@"
TERMUX_PKG_SRCURL=https://github.com/mpmosh/mpmosh/releases/download/v$TERMUX_PKG_VERSION/mpmosh-$TERMUX_PKG_VERSION-vendored.tar.xz
TERMUX_PKG_SHA256=@SHA256@
TERMUX_PKG_DEPENDS="openssl, zlib"
TERMUX_PKG_RECOMMENDS="openssh"
TERMUX_PKG_SUGGESTS="mpmosh-server, termux-api"
TERMUX_PKG_BUILD_IN_SRC=true
TERMUX_PKG_AUTO_UPDATE=true

termux_step_pre_configure() {
	termux_setup_rust
	# The crates take Termux's OpenSSL, never their own.
	export OPENSSL_NO_VENDOR=1
	export OPENSSL_INCLUDE_DIR="$TERMUX_PREFIX/include/openssl"
	export OPENSSL_LIB_DIR="$TERMUX_PREFIX/lib"
	export PKG_CONFIG_ALLOW_CROSS=1
}

termux_step_make() {
	packaging/compile --offline --jobs "$TERMUX_PKG_MAKE_PROCESSES" --target "$CARGO_TARGET_NAME"
}

termux_step_make_install() {
	PREFIX=$TERMUX_PREFIX PROGRAMS=target/$CARGO_TARGET_NAME/release packaging/install client server
}

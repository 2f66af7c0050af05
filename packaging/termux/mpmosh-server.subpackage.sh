# shellcheck shell=bash disable=SC2034
TERMUX_SUBPKG_DESCRIPTION="Server of mpmosh, the mobile shell over every network path at once"
TERMUX_SUBPKG_DEPEND_ON_PARENT=no
TERMUX_SUBPKG_RECOMMENDS="openssh"
TERMUX_SUBPKG_INCLUDE="
bin/mpmosh-server
share/bash-completion/completions/mpmosh-server
share/fish/vendor_completions.d/mpmosh-server.fish
share/man/man1/mpmosh-server.1.gz
share/zsh/site-functions/_mpmosh-server
"

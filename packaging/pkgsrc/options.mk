# $NetBSD$

PKG_OPTIONS_VAR=		PKG_OPTIONS.mpmosh
PKG_OPTIONS_NONEMPTY_SETS=	programs
PKG_OPTIONS_SET.programs=	mpmosh-client mpmosh-server
PKG_SUGGESTED_OPTIONS=		mpmosh-client mpmosh-server

.include "../../mk/bsd.options.mk"

PLIST_VARS+=	client server

.if ${PKG_OPTIONS:Mmpmosh-client}
PARTS+=		client
PACKAGES+=	-p mpmosh-client
PLIST.client=	yes
USE_TOOLS+=	pkg-config
MAKE_ENV+=	OPENSSL_DIR=${BUILDLINK_PREFIX.openssl:Q}
RUSTFLAGS+=	-C link-arg=${COMPILER_RPATH_FLAG}${BUILDLINK_PREFIX.openssl}/lib
.  include "../../devel/zlib/buildlink3.mk"
.  include "../../security/openssl/buildlink3.mk"
.endif

.if ${PKG_OPTIONS:Mmpmosh-server}
PARTS+=		server
PACKAGES+=	-p mpmosh-server
PLIST.server=	yes
.endif

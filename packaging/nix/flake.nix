# nix build "git+https://github.com/mpmosh/mpmosh?dir=packaging/nix#mpmosh-server"
{
  description = "mpmosh: mobile shell over every network path at once";

  inputs.nixpkgs.url = "github:NixOS/nixpkgs/nixos-unstable";

  outputs = { self, nixpkgs }:
    let
      root = ../..;
      manifest = builtins.fromTOML (builtins.readFile (root + "/Cargo.toml"));
      systems = [ "x86_64-linux" "aarch64-linux" "aarch64-darwin" ];
      each = nixpkgs.lib.genAttrs systems;
      program = pkgs: part: inputs: pkgs.rustPlatform.buildRustPackage {
        pname = "mpmosh-${part}";
        version = manifest.workspace.package.version;
        src = root;
        cargoLock.lockFile = root + "/Cargo.lock";
        nativeBuildInputs = [ pkgs.pkg-config ];
        buildInputs = inputs;
        cargoBuildFlags = [ "-p" "mpmosh-${part}" ];
        # The tests need namespaces, sshd and stock mosh.
        doCheck = false;
        installPhase = ''
          runHook preInstall
          PREFIX=$out PROGRAMS=target/${pkgs.stdenv.hostPlatform.rust.rustcTarget}/release packaging/install ${part}
          runHook postInstall
        '';
        doInstallCheck = true;
        nativeInstallCheckInputs = [ pkgs.versionCheckHook ];
        meta = {
          description = "Mobile shell over every network path at once (${part})";
          homepage = manifest.workspace.package.repository;
          changelog = "${manifest.workspace.package.repository}/blob/v${manifest.workspace.package.version}/CHANGELOG.md";
          license = with nixpkgs.lib.licenses; [ mit asl20 ];
          platforms = nixpkgs.lib.platforms.unix;
          mainProgram = if part == "client" then "mpmosh" else "mpmosh-server";
        };
      };
    in {
      packages = each (system:
        let pkgs = nixpkgs.legacyPackages.${system};
        in rec {
          mpmosh-client = program pkgs "client" [ pkgs.openssl pkgs.zlib ];
          mpmosh-server = program pkgs "server" [ ];
          default = pkgs.symlinkJoin { name = "mpmosh"; paths = [ mpmosh-client mpmosh-server ]; };
        });
    };
}

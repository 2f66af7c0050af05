class Mpmosh < Formula
  desc "Mobile shell over every network path at once"
  homepage "https://github.com/mpmosh/mpmosh"
  url "https://github.com/mpmosh/mpmosh/releases/download/v@VERSION@/mpmosh-@VERSION@-vendored.tar.xz"
  sha256 "@SHA256@"
  license any_of: ["MIT", "Apache-2.0"]
  head "https://github.com/mpmosh/mpmosh.git", branch: "main"

  depends_on "pkgconf" => :build
  depends_on "rust" => :build
  depends_on "openssl@4"

  on_linux do
    depends_on "zlib-ng-compat"
  end

  deny_network_access!

  # For --HEAD: the tarball brings its crates.
  def fetch
    system "cargo", "fetch", "--locked"
  end

  def install
    ENV["OPENSSL_DIR"] = Formula["openssl@4"].opt_prefix
    system "packaging/compile", "--offline"

    ENV["PREFIX"] = prefix
    ENV["BASHDIR"] = bash_completion
    ENV["ZSHDIR"] = zsh_completion
    ENV["FISHDIR"] = fish_completion
    ENV["DOCDIR"] = doc
    ENV["LICENSEDIR"] = ""
    system "packaging/install", "client", "server", "common"
  end

  test do
    assert_match version.to_s, shell_output("#{bin}/mpmosh-server --version")
    assert_equal "7", pipe_output("#{bin}/mpmosh --local -- cat", "7", 0)
  end
end

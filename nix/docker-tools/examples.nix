# Images that show what each function does, under the names that they have in nixpkgs' dockerTools.examples.
# tests/docker_tools builds and runs them; docs/docker-tools.md says which test looks at which. A list, so it is long.
{
  pkgs,
  gantry,
  dockerTools,
}:
let
  inherit (dockerTools)
    buildImage
    buildImageWithNixDb
    buildLayeredImage
    buildLayeredImageWithNixDb
    buildNixShellImage
    exportImage
    mergeImages
    pullImage
    shadowSetup
    streamLayeredImage
    streamNixShellImage
    ;

  system = pkgs.stdenv.hostPlatform.system;
  run = command: [
    pkgs.runtimeShell
    "-c"
    command
  ];

  # A directory with one file.
  files = pkgs.runCommand "files" { } ''
    mkdir $out
    echo 'Hello from a file' > $out/hello.txt
  '';

  # The same in every image of the kind, but for the name.
  toolsAndHello = {
    tag = "latest";
    contents = [
      pkgs.coreutils
      pkgs.hello
    ];
  };

  # A service with its files, directories and user.
  nginxArguments =
    let
      port = "80";
      configuration = pkgs.writeText "nginx.conf" ''
        user nobody nobody;
        daemon off;
        error_log /dev/stdout info;
        pid /tmp/nginx.pid;
        events { }
        http {
          access_log /dev/stdout;
          client_body_temp_path /tmp/body;
          proxy_temp_path /tmp/proxy;
          fastcgi_temp_path /tmp/fastcgi;
          uwsgi_temp_path /tmp/uwsgi;
          scgi_temp_path /tmp/scgi;
          server {
            listen ${port};
            location / { root ${root}; }
          }
        }
      '';
      root = pkgs.writeTextDir "index.html" ''
        <html><body><h1>Hello from NGINX</h1></body></html>
      '';
    in
    {
      name = "nginx-container";
      tag = "latest";
      contents = [
        dockerTools.fakeNss
        pkgs.nginx
      ];
      extraCommands = ''
        mkdir -p -m 1777 tmp
        mkdir -p var/log/nginx
      '';
      config = {
        Cmd = [
          "nginx"
          "-c"
          configuration
        ];
        ExposedPorts."${port}/tcp" = { };
      };
    };

  # What a development shell is made of.
  shellOf = attributes: pkgs.runCommand "shell" attributes "mkdir -p $out; echo built > $out/result";
in
rec {
  # --- One layer of store paths: buildImage

  # A shell and what it needs; the smallest useful image.
  bash = buildImage {
    name = "bash";
    tag = "latest";
    copyToRoot = [
      pkgs.bash
      pkgs.coreutils
    ];
  };

  # Without a tag: .imageTag says what it is called.
  bashNoTag = buildImage {
    name = "bash-no-tag";
    copyToRoot = pkgs.bash;
  };

  # Archives that are not compressed, or with zstd.
  bashUncompressed = bash.override {
    name = "bash-uncompressed";
    compressor = "none";
  };
  bashZstdCompressed = bash.override {
    name = "bash-zstd";
    compressor = "zstd";
  };

  # A service, as an archive and as a stream.
  nginx = buildLayeredImage nginxArguments;
  nginxStream = streamLayeredImage nginxArguments;

  # A service that runs as a user made by shadow's programs, on data that belongs to it.
  redis = buildImage {
    name = "redis";
    tag = "latest";
    copyToRoot = [
      pkgs.redis
      pkgs.coreutils
    ];
    runAsRoot = ''
      ${shadowSetup}
      groupadd -r redis
      useradd -r -g redis -d /data -M redis
      mkdir /data
      chown redis:redis /data
    '';
    config = {
      Cmd = [ "/bin/redis-server" ];
      User = "redis";
      WorkingDir = "/data";
      Volumes."/data" = { };
    };
  };

  # Commands as root on top of an image.
  runAsRootParentImage = buildImage {
    name = "runAsRootParentImage";
    tag = "latest";
    fromImage = bash;
    runAsRoot = "touch /example-file";
  };

  # Programs for people; those that the package set has.
  editors = buildImage {
    name = "editors";
    copyToRoot = [
      pkgs.bash
      pkgs.coreutils
      (pkgs.emacs or null)
      (pkgs.nano or null)
      (pkgs.vim or null)
    ];
  };

  # Commands as root, on top of the contents, before the unprivileged ones.
  runAsRootExtraCommands = buildImage {
    name = "runAsRootExtraCommands";
    tag = "latest";
    copyToRoot = pkgs.coreutils;
    # Quotes and dollars are the script's own.
    runAsRoot = ''echo "(runAsRoot: $(( 1 + 1 )) 'quoted')" > runAsRoot'';
    extraCommands = ''echo "(extraCommands: $(( 1 + 2 )) 'quoted')" > extraCommands'';
    config.Cmd = [
      "cat"
      "runAsRoot"
      "extraCommands"
    ];
  };

  # The time of the build instead of 1970.
  unstableDate = buildImage {
    name = "unstable-date";
    tag = "latest";
    copyToRoot = pkgs.coreutils;
    created = "now";
  };

  # Files of a source directory.
  build-image-with-path = buildImage {
    name = "build-image-with-path";
    tag = "latest";
    copyToRoot = [
      pkgs.coreutils
      files
    ];
    config.Cmd = [
      "cat"
      "/hello.txt"
    ];
  };

  # An architecture that is not this machine's, of contents that have none.
  build-image-with-architecture = buildImage {
    name = "build-image-with-architecture";
    tag = "latest";
    architecture = "arm64";
    copyToRoot = files;
  };

  # A registry and a path in the name.
  prefixedImage = buildImage {
    name = "registry-1.docker.io/image";
    tag = "latest";
    config.Cmd = [ "${pkgs.hello}/bin/hello" ];
  };

  # --- A layer for every larger store path: buildLayeredImage

  # The configuration names a program, and that alone brings it into the image.
  layered-image = buildLayeredImage {
    name = "layered-image";
    tag = "latest";
    extraCommands = "echo 'from extraCommands' > extraCommands";
    config.Cmd = [ "${pkgs.hello}/bin/hello" ];
    contents = [
      pkgs.hello
      pkgs.bash
      pkgs.coreutils
    ];
  };

  # Another of mostly the same paths: the layers are the same, too.
  another-layered-image = buildLayeredImage {
    name = "another-layered-image";
    tag = "latest";
    config.Cmd = [ "${pkgs.hello}/bin/hello" ];
    contents = [ pkgs.coreutils ];
  };

  # Without a tag.
  bashNoTagLayered = buildLayeredImage {
    name = "bash-no-tag-layered";
    contents = pkgs.bash;
  };
  bashNoTagStreamLayered = streamLayeredImage {
    name = "bash-no-tag-stream-layered";
    contents = pkgs.bash;
  };

  # Archives that are not compressed, or with zstd.
  bashLayeredUncompressed = buildLayeredImage {
    name = "bash-layered-uncompressed";
    tag = "latest";
    compressor = "none";
    contents = [
      pkgs.bash
      pkgs.coreutils
    ];
  };
  bashLayeredZstdCompressed = bashLayeredUncompressed.override {
    name = "bash-layered-zstd";
    compressor = "zstd";
  };

  # A user who is not root runs the shell, and may read the store.
  bashLayeredWithUser = buildLayeredImage {
    name = "bash-layered-with-user";
    tag = "latest";
    contents = [
      pkgs.bash
      pkgs.coreutils
      nonRootUsers
    ];
    config.User = "somebody";
  };
  nonRootUsers = dockerTools.fakeNss.override {
    extraPasswdLines = [ "somebody:x:1000:1000::/home/somebody:/bin/bash" ];
    extraGroupLines = [ "somebody:x:1000:" ];
  };

  # Two layers in all: one for the store, one for the root directory.
  two-layered-image = buildLayeredImage (
    toolsAndHello
    // {
      name = "two-layered-image";
      contents = [
        pkgs.bash
        pkgs.hello
      ];
      maxLayers = 2;
    }
  );

  # More store paths than layers: nothing is lost.
  bulk-layer = buildLayeredImage (
    toolsAndHello
    // {
      name = "bulk-layer";
      contents = toolsAndHello.contents ++ [
        pkgs.bash
        pkgs.nginx
      ];
      maxLayers = 2;
    }
  );

  # On a base of two layers there are two left of four.
  layered-bulk-layer = buildLayeredImage (
    toolsAndHello
    // {
      name = "layered-bulk-layer";
      fromImage = two-layered-image;
      contents = [
        pkgs.nginx
        pkgs.coreutils
      ];
      maxLayers = 4;
    }
  );

  # What the contents need, and not a path more.
  no-store-paths = buildLayeredImage {
    name = "no-store-paths";
    tag = "latest";
    contents = [ pkgs.pkgsStatic.busybox ];
    # A link to a store path would bring it; a copy of what refers to none does not.
    extraCommands = "cp ${pkgs.writeText "text" "no path in here"} text";
  };

  # A script in the contents names a path that only it knows.
  filesInStore = buildLayeredImageWithNixDb {
    name = "file-in-store";
    tag = "latest";
    contents = [
      pkgs.coreutils
      pkgs.nix
      (pkgs.writeScriptBin "myscript" ''
        #!${pkgs.runtimeShell}
        cat ${pkgs.writeText "somefile" "some data"}
      '')
    ];
    config = {
      Cmd = [ "myscript" ];
      Env = [ "USER=nobody" ];
    };
  };

  # A store path that is a link, not a directory.
  layeredStoreSymlink =
    let
      target = pkgs.writeTextDir "dir/target" "Content doesn't matter.";
      link = pkgs.runCommand "symlink" { } "ln -s ${target} $out";
    in
    buildLayeredImage {
      name = "layered-store-symlink";
      tag = "latest";
      contents = [
        pkgs.bash
        link
      ];
      config.Labels.target = "${link}";
    }
    // {
      passthru = { inherit link target; };
    };

  # A registry in the name.
  prefixedLayeredImage = buildLayeredImage {
    name = "registry-1.docker.io/layered-image";
    tag = "latest";
    config.Cmd = [ "${pkgs.hello}/bin/hello" ];
  };

  # Files of a source directory.
  layered-image-with-path = streamLayeredImage {
    name = "layered-image-with-path";
    tag = "latest";
    contents = [
      pkgs.coreutils
      files
    ];
    config.Cmd = [
      "cat"
      "/hello.txt"
    ];
  };

  # An architecture that is not this machine's.
  layered-image-with-architecture = streamLayeredImage {
    name = "layered-image-with-architecture";
    tag = "latest";
    architecture = "arm64";
    contents = files;
  };

  # The time of the build.
  unstableDateLayered = buildLayeredImage {
    name = "unstable-date-layered";
    tag = "latest";
    contents = pkgs.coreutils;
    created = "now";
  };

  # The store belongs to somebody.
  nonRootTestImage = streamLayeredImage {
    name = "non-root-test";
    tag = "latest";
    uid = 1000;
    gid = 1000;
    uname = "user";
    gname = "user";
    contents = [
      pkgs.bash
      pkgs.coreutils
    ];
    config.Cmd = run "${pkgs.coreutils}/bin/stat -c %u:%g ${pkgs.coreutils}";
  };

  # The three places where programs look for certificates.
  image-with-certs = buildImage {
    name = "image-with-certs";
    tag = "latest";
    copyToRoot = [
      pkgs.coreutils
      dockerTools.caCertificates
    ];
  };

  # --- Streams: nothing but a script goes into the store

  # A program that is found on Docker's usual PATH.
  helloOnRoot = streamLayeredImage {
    name = "hello";
    tag = "latest";
    contents = [ pkgs.hello ];
    config.Cmd = [ "hello" ];
  };

  # Links without what they lead to, for a store that is mounted.
  helloOnRootNoStore = streamLayeredImage {
    name = "hello";
    tag = "latest";
    contents = [ pkgs.hello ];
    config.Cmd = [ "hello" ];
    includeStorePaths = false;
  };
  helloOnRootNoStoreFakechroot = helloOnRootNoStore.override {
    fakeRootCommands = "mkdir -p /made";
    enableFakechroot = true;
  };

  # --- Commands as root that is none

  # Owners that last, and a package that only a link made here leads to.
  layeredImageWithFakeRootCommands = buildLayeredImage {
    name = "layered-image-with-fake-root-commands";
    tag = "latest";
    contents = [ pkgs.pkgsStatic.busybox ];
    fakeRootCommands = ''
      mkdir -p ./home/alice
      chown 1000 ./home/alice
      ln -s ${pkgs.hello}/bin/hello ./home/alice/hello
    '';
  };

  # Absolute paths.
  imageViaFakeChroot = streamLayeredImage {
    name = "image-via-fake-chroot";
    tag = "latest";
    config.Cmd = [ "hello" ];
    enableFakechroot = true;
    fakeRootCommands = ''
      mkdir /bin
      ln -s ${pkgs.hello}/bin/hello /bin/hello
    '';
  };

  # Both at once.
  chownTestImage = streamLayeredImage {
    name = "chown-test";
    tag = "latest";
    enableFakechroot = true;
    contents = [ pkgs.coreutils ];
    fakeRootCommands = ''
      touch /testfile
      chown 12345:12345 /testfile
    '';
    config.Cmd = run "${pkgs.coreutils}/bin/stat -c %u:%g /testfile";
  };

  # What NixOS does to /etc when it starts.
  etc =
    let
      inherit (pkgs.nixos { environment.etc.some-config-file.text = "127.0.0.1 localhost\n"; }) config;
    in
    streamLayeredImage {
      name = "etc";
      tag = "latest";
      enableFakechroot = true;
      fakeRootCommands = ''
        mkdir -p /etc
        ${config.system.build.etcActivationCommands}
      '';
      config.Cmd = run "${pkgs.coreutils}/bin/cat /etc/some-config-file";
    };

  # --- On top of others

  # An image of a registry, pinned by digest, and by the hash of the archive that is made of it.
  nixFromDockerHub = pullImage {
    imageName = "nixos/nix";
    imageDigest = "sha256:85299d86263a3059cf19f419f9d286cc9f06d3c13146a8ebbb21b3437f598357";
    sha256 = "19fw0n3wmddahzr20mhdqv6jkjn1kanh6n2mrr08ai53dr8ph5n7";
    finalImageTag = "2.2.1";
    finalImageName = "nix";
  };
  # The same, fetched again whenever what fetches it changes.
  testNixFromDockerHub = (pkgs.testers.invalidateFetcherByDrvHash or (fetch: fetch)) pullImage {
    imageName = "nixos/nix";
    imageDigest = "sha256:85299d86263a3059cf19f419f9d286cc9f06d3c13146a8ebbb21b3437f598357";
    sha256 = "19fw0n3wmddahzr20mhdqv6jkjn1kanh6n2mrr08ai53dr8ph5n7";
    finalImageTag = "2.2.1";
    finalImageName = "nix";
  };
  onTopOfPulledImage = buildImage {
    name = "onTopOfPulledImage";
    tag = "latest";
    fromImage = nixFromDockerHub;
    copyToRoot = [ pkgs.hello ];
  };

  # One layer on many; a directory for everybody.
  layered-on-top = buildImage {
    name = "layered-on-top";
    tag = "latest";
    fromImage = layered-image;
    extraCommands = ''
      mkdir example-output
      chmod 777 example-output
    '';
    config = {
      Env = [ "PATH=${pkgs.coreutils}/bin/" ];
      WorkingDir = "/example-output";
      Cmd = run "echo hello > foo; cat foo";
    };
  };
  layered-on-top-layered = buildLayeredImage {
    name = "layered-on-top-layered";
    tag = "latest";
    fromImage = layered-image;
    extraCommands = ''
      mkdir example-output
      chmod 777 example-output
    '';
    config = {
      Env = [ "PATH=${pkgs.coreutils}/bin/" ];
      WorkingDir = "/example-output";
      Cmd = run "echo hello > foo; cat foo";
    };
  };

  # Three images, each of which replaces a file of the one below.
  layersOrder =
    let
      on =
        number: fromImage:
        buildImage {
          name = "l${number}";
          tag = "latest";
          inherit fromImage;
          copyToRoot = [ pkgs.coreutils ];
          extraCommands = ''
            mkdir -p tmp
            echo layer${number} > tmp/layer${number}
            echo layer${number} > tmp/last
          '';
        };
    in
    on "3" (on "2" (on "1" null));

  # The base's layers are there in their order when commands run as root.
  layersUnpackOrder =
    let
      on =
        letter: fromImage:
        buildImage {
          name = "layers-unpack-order-${letter}";
          tag = "latest";
          inherit fromImage;
          copyToRoot = [
            pkgs.coreutils
            pkgs.bash
          ];
          runAsRoot = ''
            echo -n "${letter}" >> /layer-order
          '';
        };
    in
    on "c" (on "b" (on "a" null));

  # Env is taken over; of a variable, the last value.
  environmentVariablesParent = buildImage {
    name = "parent";
    tag = "latest";
    config.Env = [
      "FROM_PARENT=true"
      "LAST_LAYER=parent"
    ];
  };
  environmentVariables = buildImage {
    name = "child";
    tag = "latest";
    fromImage = environmentVariablesParent;
    copyToRoot = [ pkgs.coreutils ];
    config.Env = [
      "FROM_CHILD=true"
      "LAST_LAYER=child"
    ];
  };
  environmentVariablesLayered = buildLayeredImage {
    name = "child";
    tag = "latest";
    fromImage = environmentVariablesParent.override { name = "parent-layered"; };
    contents = [ pkgs.coreutils ];
    config.Env = [
      "FROM_CHILD=true"
      "LAST_LAYER=child"
    ];
  };

  # --- Several images in an archive, and a file system of one

  mergedBashAndRedis = mergeImages [
    bash
    redis
  ];
  mergedBashNoTagAndRedis = mergeImages [
    bashNoTag
    redis
  ];
  # Owners stay.
  mergedBashFakeRoot = mergeImages [
    bash
    layeredImageWithFakeRootCommands
  ];
  # Archives that are compressed in different ways.
  mergeVaryingCompressor = mergeImages [
    bash
    bashUncompressed
    bashZstdCompressed
  ];

  # The tar of what a container sees.
  exportBash = exportImage { fromImage = bash; };

  # --- With a Nix database

  # Nix knows what is in the image.
  nix = buildImageWithNixDb {
    name = "nix";
    tag = "latest";
    copyToRoot = [
      pkgs.nix
      pkgs.bash
      pkgs.coreutils
    ];
    config.Env = [
      "NIX_PAGER=cat"
      "USER=nobody"
    ];
  };
  nixLayered = buildLayeredImageWithNixDb {
    name = "nix-layered";
    tag = "latest";
    contents = [
      pkgs.nix
      pkgs.bash
      pkgs.coreutils
    ];
    config.Env = [
      "NIX_PAGER=cat"
      "USER=nobody"
    ];
  };
  nix-layered = streamLayeredImage {
    name = "nix-layered";
    tag = "latest";
    contents = [
      pkgs.nix
      pkgs.bash
      pkgs.coreutils
    ];
    includeNixDB = true;
    config.Env = [
      "NIX_PAGER=cat"
      "USER=nobody"
    ];
  };

  # --- For another machine

  # Contents are built for it, and the image says so.
  cross =
    let
      target =
        if system == "aarch64-linux" then pkgs.pkgsCross.gnu64 else pkgs.pkgsCross.aarch64-multiplatform;
    in
    (import ../docker-tools.nix {
      pkgs = target;
      inherit gantry;
    }).buildImage
      {
        name = "hello-cross";
        tag = "latest";
        copyToRoot = target.hello;
      };

  # --- Development shells

  # A shell in which `buildDerivation` builds.
  nix-shell-basic = streamNixShellImage {
    name = "nix-shell-basic";
    tag = "latest";
    drv = shellOf { };
  };

  # shellHook runs first.
  nix-shell-hook = streamNixShellImage {
    name = "nix-shell-hook";
    tag = "latest";
    drv = shellOf {
      shellHook = ''
        echo "This is the shell hook!"
        exit
      '';
    };
  };

  # Inputs are on PATH.
  nix-shell-inputs = streamNixShellImage {
    name = "nix-shell-inputs";
    tag = "latest";
    drv = shellOf { nativeBuildInputs = [ pkgs.hello ]; };
    command = "hello";
  };

  # Attributes in files.
  nix-shell-pass-as-file = streamNixShellImage {
    name = "nix-shell-pass-as-file";
    tag = "latest";
    drv = shellOf {
      str = "this is a string";
      passAsFile = [ "str" ];
    };
    command = "cat \"$strPath\"";
  };

  # A command without a terminal.
  nix-shell-run = streamNixShellImage {
    name = "nix-shell-run";
    tag = "latest";
    drv = shellOf { };
    run = ''
      case "$-" in
        *i*) echo "This shell is interactive" ;;
        *) echo "This shell is not interactive" ;;
      esac
    '';
  };

  # A command with one.
  nix-shell-command = streamNixShellImage {
    name = "nix-shell-command";
    tag = "latest";
    drv = shellOf { };
    command = ''
      case "$-" in
        *i*) echo "This shell is interactive" ;;
        *) echo "This shell is not interactive" ;;
      esac
    '';
  };

  # The home directory is /build, which the user may write to,
  nix-shell-writable-home = streamNixShellImage {
    name = "nix-shell-writable-home";
    tag = "latest";
    drv = shellOf { };
    run = ''
      if [ "$HOME" != "$(eval "echo ~$(whoami)")" ]; then
        echo "\$HOME ($HOME) is not the home directory of $(whoami)"
        exit 1
      fi
      touch "$HOME/test-file"
      echo "writable home"
    '';
  };

  # or any other, which need not be there.
  nix-shell-nonexistent-home = streamNixShellImage {
    name = "nix-shell-nonexistent-home";
    tag = "latest";
    drv = shellOf { };
    homeDirectory = "/homeless-shelter";
    run = ''
      if [ -e "$HOME" ]; then
        echo "\$HOME ($HOME) is there"
        exit 1
      fi
      echo "no home"
    '';
  };

  # Builds when the container starts, as an archive.
  nix-shell-build-derivation = buildNixShellImage {
    name = "nix-shell-build-derivation";
    tag = "latest";
    drv = shellOf { };
    run = ''
      buildDerivation
      cat "$out/result"
    '';
  };
}

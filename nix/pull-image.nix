# builtins.pullImage: from arguments to derivations.
#
# Applied like ./oci-image.nix, to checked arguments; of `prim` it uses besides
#
#   pure      whether the evaluation is pure
#   fetch     request: { path, text }: a file of known SHA-256 in the store, fetched if it is not there
#   request   request: what the registry, or a document, says
#   fail      message: an error that the evaluation cache does not remember
prim:
let
  pullImage =
    arguments:
    let
      inherit (arguments) imageName;
      given = name: (arguments.${name} or null) != null;
      system = arguments.system or prim.system;
      platform = {
        os = arguments.os or "linux";
        arch = arguments.arch or (prim.platformOf system).architecture;
        variant = arguments.variant or null;
      };
      preferGzip = arguments.preferGzip or false;
      tlsVerify = arguments.tlsVerify or true;
      registry = { inherit imageName tlsVerify; };

      finalImageName = arguments.finalImageName or imageName;
      finalImageTag = arguments.finalImageTag or (if given "tag" then arguments.tag else "latest");
      # nixpkgs' name: with the same hash it is the same store path.
      name =
        arguments.name or (builtins.replaceStrings [ "/" ":" ] [ "-" "-" ]
          "docker-image-${finalImageName}-${finalImageTag}.tar"
        );

      imageDigest =
        if given "imageDigest" then
          arguments.imageDigest
        else if given "manifest" then
          kept.digest
        else
          resolved;

      # A tag is what the registry says now, which a pure evaluation must not depend on.
      resolved =
        let
          digest =
            (prim.request (
              registry
              // {
                request = "resolve";
                inherit (arguments) tag;
              }
            )).digest;
        in
        if prim.pure then
          prim.fail ''
            tag: found "${arguments.tag}", which may be another image tomorrow, and this evaluation is pure; instead of it write
              imageDigest = "${digest}";''
        else
          digest;

      # --- With a hash: a fixed-output derivation of the docker-archive, as dockerTools makes it.

      hash = arguments.hash or (arguments.sha256 or arguments.outputHash);
      archive = derivation (
        {
          inherit name system;
          inherit (prim) builder;
          args = [ "build" ];
          __structuredAttrs = true;
          outputHashMode = "flat";
          outputHash = hash;
          gantry = {
            kind = "pull";
            arguments =
              platform
              // {
                inherit
                  imageName
                  imageDigest
                  finalImageName
                  finalImageTag
                  tlsVerify
                  ;
              }
              // (if preferGzip then { inherit preferGzip; } else { });
          };
          inherit impureEnvVars;
        }
        // (
          if arguments ? outputHashAlgo then
            { inherit (arguments) outputHashAlgo; }
          else if arguments ? hash && hash != "" then
            { }
          else
            { outputHashAlgo = "sha256"; }
        )
      );

      # --- Without: documents are read while evaluating, and every blob is a derivation of its own, whose
      # path depends on its digest alone.

      document =
        digest:
        prim.fetch (
          registry
          // {
            request = "document";
            inherit digest;
            name = blobName;
            text = true;
          }
        );
      # The manifest of the chosen image: the document itself, or what an index leads to.
      select =
        digest:
        let
          found = document digest;
          chosen = prim.request (
            platform
            // {
              request = "choose";
              inherit imageName digest preferGzip;
              document = found.text;
            }
          );
        in
        if chosen.digest == digest then chosen // found else select chosen.digest;
      manifest = if given "manifest" then kept else select imageDigest;
      described =
        if given "manifest" then
          kept
        else
          prim.request {
            request = "describe";
            document = manifest.text;
            inherit imageName;
            inherit (manifest) digest;
          };

      # The manifest that the user keeps: no registry is asked what it says.
      kept =
        let
          path = "${arguments.manifest}";
          text = builtins.readFile arguments.manifest;
          read = builtins.fromJSON text;
          parts = [ read.config ] ++ read.layers;
          isPart =
            part:
            builtins.isAttrs part
            && builtins.isString (part.digest or null)
            && builtins.match "sha256:[0-9a-f]{64}" part.digest != null
            && builtins.isInt (part.size or null);
        in
        if read ? manifests then
          prim.fail "manifest: ${toString arguments.manifest} is an index of images for several platforms; write the manifest of one of them: `skopeo inspect --raw docker://NAME@DIGEST` prints it"
        else if !(read ? config && builtins.isList (read.layers or null) && builtins.all isPart parts) then
          prim.fail "manifest: ${toString arguments.manifest} is not the manifest of an image; expected JSON with config and layers, each with digest and size"
        else
          {
            inherit path;
            digest = "sha256:${builtins.hashString "sha256" text}";
            size = builtins.stringLength text;
            mediaType = read.mediaType or "application/vnd.oci.image.manifest.v1+json";
            blobs = map (part: { inherit (part) digest size; }) parts;
          };

      # With credentials, which no derivation may see, the evaluator puts blobs into the store itself, under
      # the path that the derivation would give them; then nothing is left to build.
      private = (prim.request (registry // { request = "credentials"; })).found;
      blob =
        descriptor:
        let
          build = derivation {
            name = blobName;
            inherit system;
            inherit (prim) builder;
            args = [ "build" ];
            __structuredAttrs = true;
            outputHashMode = "flat";
            outputHashAlgo = "sha256";
            outputHash = builtins.substring 7 64 descriptor.digest;
            gantry = {
              kind = "blob";
              arguments = registry // {
                inherit (descriptor) digest size;
              };
            };
            inherit impureEnvVars;
          };
          fetched = prim.fetch (
            registry
            // {
              request = "blob";
              inherit (descriptor) digest size;
              name = blobName;
              text = false;
            }
          );
        in
        if private then builtins.seq fetched.path build else build;

      layout = derivation {
        name = builtins.replaceStrings [ ".tar" ] [ "" ] name;
        inherit system;
        inherit (prim) builder;
        args = [ "build" ];
        __structuredAttrs = true;
        preferLocalBuild = true;
        gantry = {
          kind = "links";
          name = finalImageName;
          tag = finalImageTag;
          manifest = {
            inherit (manifest)
              mediaType
              digest
              size
              path
              ;
          };
          blobs = map (descriptor: {
            inherit (descriptor) digest;
            path = "${blob descriptor}";
          }) described.blobs;
        };
      };

      image = if given "hash" || given "sha256" || given "outputHash" then archive else layout;
      # The user's win here: dockerTools calls a pulled image by its final name, which ./docker-tools.nix says so.
      passthru =
        prim.guard {
          inherit imageName;
          imageTag = finalImageTag;
        }
        // (arguments.passthru or { });
      # A derivation's `out` and `all` lead to itself, and these must lead to the guarded one.
      out = prim.guard (
        image
        // {
          inherit out;
          all = [ out ];
        }
      );
    in
    prim.guard (
      image
      // {
        inherit imageName imageDigest out;
        all = [ out ];
        imageTag = finalImageTag;
        imageRef = "${finalImageName}:${finalImageTag}";
        override = prim.again arguments;
      }
    )
    // prim.withoutPositions {
      args = arguments;
      inherit passthru;
      meta = arguments.meta or { };
    }
    // passthru;

  # One name for all, so that the path says nothing but the digest.
  blobName = "oci-blob";

  # What a build of known output may take from the daemon's environment (nixpkgs, proxyImpureEnvVars; mirrors and
  # limits of registries).
  impureEnvVars = [
    "http_proxy"
    "https_proxy"
    "ftp_proxy"
    "all_proxy"
    "no_proxy"
    "HTTP_PROXY"
    "HTTPS_PROXY"
    "FTP_PROXY"
    "ALL_PROXY"
    "NO_PROXY"
    "NIX_SSL_CERT_FILE"
    "GANTRY_REGISTRY_MIRRORS"
    "GANTRY_REGISTRY_DOCUMENT_SECONDS"
    "GANTRY_REGISTRY_BYTES_PER_SECOND"
    "GANTRY_REGISTRY_IDLE_SECONDS"
    "GANTRY_REGISTRY_RETRY_AFTER_SECONDS"
  ];
in
pullImage

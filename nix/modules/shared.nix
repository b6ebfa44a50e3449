# The options `programs.gantry`, which are the same on NixOS and with Home Manager.
{
  config,
  lib,
  pkgs,
  ...
}:
let
  supported = import ../supported.nix { inherit lib; };
  gantry = config.programs.gantry;
  nix = config.nix.package;
  reason =
    if nix == null then
      "it is null, so it is not known which Nix reads the configuration; set it, for example to pkgs.nix"
    else
      supported.reason nix;
  plugins = gantry.package.plugins or null;
in
{
  options.programs.gantry = {
    enable = lib.mkEnableOption "builtins.ociImage and builtins.pullImage in Nix, and the command gantry";

    package = lib.mkOption {
      type = lib.types.package;
      description = ''
        The package with the plugins. The default one has a plugin for `nix.package`, and for each release of Nix in
        nixpkgs: other programs read the same configuration, and during an upgrade one Nix reads another one's.
      '';
      default = pkgs.callPackage ../package.nix (
        { everyNix = true; } // lib.optionalAttrs (reason == null) { inherit nix; }
      );
      defaultText = lib.literalExpression "gantry.packages.\${system}.default.override { nix = config.nix.package; }";
    };
  };

  config = lib.mkIf gantry.enable {
    assertions = [
      {
        assertion = reason == null;
        message = "programs.gantry: nix.package cannot load the plugin: ${toString reason}";
      }
      {
        assertion = reason != null || plugins == null || plugins ? ${nix.version};
        message = "programs.gantry: nix.package is Nix ${nix.version or "?"}, and programs.gantry.package has plugins for ${lib.concatStringsSep ", " (builtins.attrNames plugins)}: leave the option at its default, or use its `.override { nix = config.nix.package; }`";
      }
    ];

    # A store path, not one below /run/current-system or a profile. The configuration names the very plugin that
    # was built with it: the generation that has one has the other, so collecting garbage removes neither, and a
    # rollback changes both at once. And nix.conf is checked where it is built, in a sandbox without profiles.
    nix.settings.plugin-files = [ "${gantry.package}/lib/nix/plugins/libgantry.so" ];
  };
}

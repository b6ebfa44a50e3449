# Home Manager: `programs.gantry.enable = true;` puts the plugin into ~/.config/nix/nix.conf, and `gantry` on PATH. The
# Nix that evaluates reads that file, so nix-daemon needs nothing.
{ config, lib, ... }:
{
  imports = [ ./shared.nix ];
  config = lib.mkIf config.programs.gantry.enable {
    home.packages = [ config.programs.gantry.package ];
  };
}

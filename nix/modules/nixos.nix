# NixOS: `programs.gantry.enable = true;` puts the plugin into /etc/nix/nix.conf, which nix-daemon reads as well, and
# `gantry` on PATH.
{ config, lib, ... }:
{
  imports = [ ./shared.nix ];
  config = lib.mkIf config.programs.gantry.enable {
    environment.systemPackages = [ config.programs.gantry.package ];
  };
}

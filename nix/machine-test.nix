# A NixOS machine with the module: Nix evaluates and builds an image, Docker and podman load and run it.
{ pkgs, ... }:
{
  name = "gantry";

  nodes.machine = {
    imports = [ ./modules/nixos.nix ];
    programs.gantry.enable = true;

    nix.settings.substituters = pkgs.lib.mkForce [ ];
    virtualisation = {
      docker.enable = true;
      podman.enable = true;
      diskSize = 4096;
      memorySize = 2048;
      writableStore = true;
    };
    # The string makes the machine's store have the package.
    environment.etc."image.nix".text = ''
      { tag }:
      builtins.ociImage {
        name = "hello";
        inherit tag;
        contents = [ (builtins.storePath "${pkgs.hello}") ];
        config.Cmd = [ "/bin/hello" ];
      }
    '';
  };

  testScript = ''
    machine.wait_for_unit("multi-user.target")
    machine.succeed("gantry --version")
    archive = machine.succeed("nix-build --no-out-link /etc/image.nix --argstr tag docker").strip()
    machine.wait_for_unit("docker.service")
    machine.succeed(f"docker load < {archive}")
    assert "Hello, world!" in machine.succeed("docker run --rm hello:docker")
    archive = machine.succeed("nix-build --no-out-link /etc/image.nix --argstr tag podman").strip()
    machine.succeed(f"podman load < {archive}")
    assert "Hello, world!" in machine.succeed("podman run --rm hello:podman")
    error = machine.fail("nix-instantiate --eval -E '(builtins.ociImage { nam = 1; }).outPath' 2>&1")
    assert "nam: " in error, error
  '';
}

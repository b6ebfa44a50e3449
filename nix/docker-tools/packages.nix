# Files and scripts for images: packages that people put into them, and texts for their scripts.
{
  pkgs,
  lib,
  arguments,
}:
let
  shellScript =
    name: text:
    pkgs.writeScript name ''
      #!${pkgs.runtimeShell}
      set -e
      export PATH=${pkgs.coreutils}/bin:/bin
      ${text}
    '';

  # For runAsRoot, or fakeRootCommands with enableFakechroot: what useradd and groupadd need to find.
  shadowSetup = ''
    export PATH=${pkgs.shadow}/bin:$PATH
    mkdir -p /etc/pam.d
    [ -e /etc/passwd ] || {
      echo 'root:x:0:0::/root:${pkgs.runtimeShell}' > /etc/passwd
      echo 'root:!x:::::::' > /etc/shadow
    }
    [ -e /etc/group ] || {
      echo 'root:x:0:' > /etc/group
      echo 'root:x::' > /etc/gshadow
    }
    [ -e /etc/pam.d/other ] ||
      printf '%s\n' 'account sufficient pam_unix.so' 'auth sufficient pam_rootok.so' \
        'password requisite pam_unix.so nullok yescrypt' 'session required pam_unix.so' > /etc/pam.d/other
    [ -e /etc/login.defs ] || : > /etc/login.defs
  '';

  usrBinEnv = pkgs.runCommand "usr-bin-env" { } ''
    mkdir -p $out/usr/bin
    ln -s ${pkgs.coreutils}/bin/env $out/usr/bin/env
  '';

  binSh = pkgs.runCommand "bin-sh" { } ''
    mkdir -p $out/bin
    ln -s ${pkgs.bashInteractive}/bin/bash $out/bin/sh
  '';

  # Where Debian and Fedora have them.
  caCertificates = pkgs.runCommand "ca-certificates" { } ''
    mkdir -p $out/etc/ssl/certs $out/etc/pki/tls/certs
    for file in ssl/certs/ca-bundle.crt ssl/certs/ca-certificates.crt pki/tls/certs/ca-bundle.crt; do
      ln -s ${pkgs.cacert}/etc/ssl/certs/ca-bundle.crt $out/etc/$file
    done
  '';

  fakeNss = lib.makeOverridable (
    {
      extraPasswdLines ? [ ],
      extraGroupLines ? [ ],
    }:
    pkgs.runCommand "fake-nss"
      {
        passwd = lines (
          [
            "root:x:0:0:root user:/var/empty:/bin/sh"
          ]
          ++ extraPasswdLines
          ++ [
            "nobody:x:65534:65534:nobody:/var/empty:/bin/sh"
          ]
        );
        group = lines ([ "root:x:0:" ] ++ extraGroupLines ++ [ "nobody:x:65534:" ]);
      }
      ''
        mkdir -p $out/etc $out/var/empty
        printf %s "$passwd" > $out/etc/passwd
        printf %s "$group" > $out/etc/group
        echo 'hosts: files dns' > $out/etc/nsswitch.conf
      ''
  ) { };
  lines = builtins.foldl' (text: line: "${text}${line}\n") "";

  mergeDrvs =
    let
      function = "dockerTools.mergeDrvs";
      call =
        {
          derivations ? [ ],
          onlyDeps ? false,
          ...
        }@users:
        builtins.seq (arguments.checked function (builtins.functionArgs call) [ "derivations" ] users) (
          pkgs.runCommand "merge-drvs" { inherit derivations; } (
            if onlyDeps then
              ''
                echo $derivations > $out
              ''
            else
              ''
                mkdir $out
                for item in $derivations; do
                  if [ -d "$item" ]; then item=$item/.; fi
                  cp -drf "$item" $out/
                  chmod -R u+w $out
                done
              ''
          )
        );
    in
    call;
in
{
  inherit
    binSh
    caCertificates
    fakeNss
    mergeDrvs
    shadowSetup
    shellScript
    usrBinEnv
    ;
}

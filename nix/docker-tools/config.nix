# The argument `config` as engines read it. They decode it with Go's encoding/json, which does not look at the case of
# keys, leaves out unknown ones, and takes a string in place of the lists that are Docker's StrSlice
# (moby, api/types/strslice). builtins.ociImage takes nothing of that: here it is put right, with a warning.
{ lib, arguments }:
let
  nearest = import ./nearest.nix { inherit lib; };

  # The keys that builtins.ociImage takes.
  keys = [
    "User"
    "ExposedPorts"
    "Env"
    "Entrypoint"
    "Cmd"
    "Volumes"
    "WorkingDir"
    "Labels"
    "StopSignal"
    "ArgsEscaped"
    "Healthcheck"
    "Shell"
    "OnBuild"
    "StopTimeout"
    "Hostname"
    "Domainname"
    "Tty"
    "OpenStdin"
    "StdinOnce"
    "AttachStdin"
    "AttachStdout"
    "AttachStderr"
    "NetworkDisabled"
    "Image"
    "MacAddress"
  ];
  healthcheckKeys = [
    "Test"
    "Interval"
    "Timeout"
    "StartPeriod"
    "StartInterval"
    "Retries"
  ];
  strSlices = [
    "Entrypoint"
    "Cmd"
    "Shell"
  ];

  # What people write for another key: words of Dockerfiles, of docker run and of compose files.
  meant = {
    args = "Cmd";
    command = "Cmd";
    environment = "Env";
    envs = "Env";
    expose = "ExposedPorts";
    exposed = "ExposedPorts";
    label = "Labels";
    port = "ExposedPorts";
    ports = "ExposedPorts";
    signal = "StopSignal";
    volume = "Volumes";
    workdir = "WorkingDir";
    workingdirectory = "WorkingDir";
  };

  byLowerCase =
    names:
    builtins.listToAttrs (
      map (name: {
        name = lib.toLower name;
        value = name;
      }) names
    );

  # The set with keys of `names` alone, each in its right case. `path` is the set's own: "config.".
  withKeys =
    function: path: names: set:
    let
      right = byLowerCase names;
      given = builtins.attrNames set;
      known = builtins.filter (name: right ? ${lib.toLower name}) given;
      unknown = builtins.filter (name: !(right ? ${lib.toLower name})) given;
      misspelt = builtins.filter (name: right.${lib.toLower name} != name) known;
      spellings = name: builtins.filter (other: lib.toLower other == lib.toLower name) known;
      repeated = builtins.filter (name: builtins.length (spellings name) > 1) known;

      instead =
        name:
        let
          words = if names == keys then meant else { };
          near = nearest (names ++ builtins.attrNames words) name;
        in
        if near != null then
          "; did you mean ${words.${near} or near}?"
        else
          "; keys are ${builtins.concatStringsSep ", " names}";
      warned =
        value:
        builtins.foldl'
          (
            value: name:
            arguments.warn function set path name
              "left out, because no container engine knows this key${instead name}"
              value
          )
          (builtins.foldl' (
            value: name:
            arguments.warn function set path name "written as ${right.${lib.toLower name}}, the key's name"
              value
          ) value misspelt)
          unknown;
    in
    if repeated != [ ] then
      arguments.fail function set (builtins.head repeated)
        "found under ${toString (builtins.length (spellings (builtins.head repeated)))} names in ${path}: ${builtins.concatStringsSep ", " (spellings (builtins.head repeated))}; container engines do not look at the case and would take one of them"
    else
      warned (
        builtins.removeAttrs set (misspelt ++ unknown)
        # Without positions of this file, which errors would show.
        // builtins.mapAttrs (_: value: value) (
          builtins.listToAttrs (
            map (name: {
              name = right.${lib.toLower name};
              value = set.${name};
            }) misspelt
          )
        )
      );

  # The user's spelling of a key.
  writtenAs =
    set: name:
    builtins.head (
      builtins.filter (other: lib.toLower other == lib.toLower name) (builtins.attrNames set)
    );

  # The set with a list for each string where engines take one.
  withLists =
    function: original: set:
    let
      texts = builtins.filter (
        name:
        set ? ${name}
        && (builtins.isString set.${name} || builtins.isPath set.${name} || set.${name} ? outPath)
      ) strSlices;
    in
    set
    // builtins.mapAttrs (_: value: value) (
      builtins.listToAttrs (
        map (name: {
          inherit name;
          value =
            arguments.warn function original "config." (writtenAs original name)
              "found a string, expected a list: container engines make a list of one word of it"
              [ "${set.${name}}" ];
        }) texts
      )
    );

  # Values that engines read otherwise than builtins.ociImage does.
  readings = function: config: {
    Env =
      entries:
      let
        isAssignment =
          entry: !builtins.isString entry || builtins.replaceStrings [ "=" ] [ "" ] entry != entry;
        others = builtins.filter (entry: !isAssignment entry) entries;
      in
      if others == [ ] then
        entries
      else
        arguments.warn function config "config." (writtenAs config "Env")
          "${builtins.head others}: left out, because nothing is assigned: Docker takes it for a variable that is unset"
          (builtins.filter isAssignment entries);
    # The protocol in any case (go-connections, nat.ParsePortSpec); null is an empty struct for Go.
    ExposedPorts = ports: emptyForNull (lowerCaseNames ports);
    Volumes = emptyForNull;
    Healthcheck = withKeys function "config.Healthcheck." healthcheckKeys;
  };
  emptyForNull = builtins.mapAttrs (_: value: if value == null then { } else value);
  lowerCaseNames =
    set:
    builtins.listToAttrs (
      map (name: {
        name = lib.toLower name;
        value = set.${name};
      }) (builtins.attrNames set)
    );

  normal =
    function: config:
    let
      set = withLists function config (withKeys function "config." keys config);
      reading = readings function config;
      isRead = name: if name == "Env" then builtins.isList set.${name} else builtins.isAttrs set.${name};
      values = builtins.mapAttrs (name: _: reading.${name} set.${name}) (
        lib.filterAttrs (name: _: set ? ${name} && isRead name) reading
      );
    in
    # What is as it should be keeps its positions, which errors show.
    set // lib.filterAttrs (name: value: value != set.${name}) values;
in
{
  inherit keys healthcheckKeys;

  # The configuration that a function was given.
  of =
    function: config:
    if config == null then
      { }
    else if builtins.isAttrs config then
      normal function config
    # The builtin refuses what is not a set.
    else
      config;
}

# An explicit layer may be a set, which says more than its paths.
let
  package = import ../package.nix;
  a = package "a";
  b = package "b";
  image = arguments: builtins.ociImage ({ name = "app"; } // arguments);
  layersOf = layers: (image { inherit layers; }).gantry.arguments.layers;
  distinct =
    layers:
    builtins.length (
      builtins.attrNames (
        builtins.listToAttrs (
          map (layer: {
            name = builtins.unsafeDiscardStringContext layer;
            value = null;
          }) layers
        )
      )
    );
  copying = [
    {
      copyToRoot = ../files/etc;
      paths = a;
      perms = [
        {
          path = "/**";
          uid = 1;
        }
        {
          source = a;
          regex = "/bin";
          mode = "700";
        }
      ];
    }
  ];
  withDatabase = image {
    includeNixDB = true;
    layers = copying ++ [
      {
        paths = [
          a
          b
        ];
        ignore = b;
      }
    ];
  };
in
assert
  layersOf [
    { paths = [ a ]; }
    { paths = b; }
  ] == layersOf [
    a
    [ b ]
  ];
assert builtins.length (layersOf copying) == 1;
# Everything in it changes the layer.
assert
  distinct (
    builtins.concatMap layersOf [
      [ a ]
      [ { copyToRoot = a; } ]
      [
        {
          copyToRoot = a // {
            meta.priority = 1;
          };
        }
      ]
      [
        {
          copyToRoot = a;
          paths = [ b ];
        }
      ]
      [
        {
          copyToRoot = a;
          perms = [
            {
              path = "/**";
              uid = 1;
            }
          ];
        }
      ]
      [
        {
          copyToRoot = a;
          ignore = [ b ];
        }
      ]
      [
        {
          copyToRoot = a;
          history.createdBy = "me";
        }
      ]
    ]
  ) == 7;
# One that may be divided is as many directories of one derivation.
assert
  let
    parts = builtins.head (layersOf [
      {
        paths = a;
        maxLayers = 3;
      }
      b
    ]);
  in
  builtins.length parts == 3
  &&
    map baseNameOf parts == [
      "0"
      "1"
      "2"
    ];
# Only the exported closure decides what is in a database, less what is copied or left out.
assert
  withDatabase.database.exportReferencesGraph.closure == [
    "${withDatabase.root}"
    "${a}"
    "${../files/etc}"
    "${a}"
    "${b}"
  ];
assert
  withDatabase.database.gantry.arguments.paths == [
    "${withDatabase.root}"
    "${a}"
    "${a}"
  ];
assert
  withDatabase.database.gantry.arguments.through == [
    "${../files/etc}"
    "${b}"
  ];
assert (image { includeCopiedPaths = false; }).imageTag != (image { }).imageTag;
assert (image { includeCopiedPaths = true; }).imageTag == (image { }).imageTag;
true

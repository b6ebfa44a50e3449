# The name among `names` that a misspelt one most likely stands for, or null: equal but for case, or with one wrong letter
# in three characters at most (the rule of src/spec/nearest.rs).
{ lib }:
let
  letters = text: builtins.genList (i: builtins.substring i 1 text) (builtins.stringLength text);
  min = a: b: if a < b then a else b;

  # Levenshtein's distance, row by row: row i has the distances of the first i letters to each beginning of `b`.
  distance =
    a: b:
    let
      columns = letters b;
      nextRow =
        { row, index }:
        letter: {
          index = index + 1;
          row =
            (builtins.foldl'
              (
                {
                  row',
                  left,
                  column,
                }:
                other:
                let
                  diagonal = builtins.elemAt row column + (if letter == other then 0 else 1);
                  above = builtins.elemAt row (column + 1) + 1;
                  here = min (min diagonal above) (left + 1);
                in
                {
                  row' = row' ++ [ here ];
                  left = here;
                  column = column + 1;
                }
              )
              {
                row' = [ (index + 1) ];
                left = index + 1;
                column = 0;
              }
              columns
            ).row';
        };
      last = builtins.foldl' nextRow {
        row = builtins.genList (i: i) (builtins.length columns + 1);
        index = 0;
      } (letters a);
    in
    builtins.elemAt last.row (builtins.length columns);
in
names: name:
let
  near = builtins.filter (found: found.distance * 3 <= found.length) (
    map (
      candidate:
      let
        size = builtins.stringLength;
      in
      {
        inherit candidate;
        distance = distance (lib.toLower name) (lib.toLower candidate);
        length = if size name > size candidate then size name else size candidate;
      }
    ) names
  );
  best = builtins.foldl' (
    best: found: if best == null || found.distance < best.distance then found else best
  ) null near;
in
if builtins.stringLength name > 64 || best == null then null else best.candidate

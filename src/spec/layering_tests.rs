//! The specification of `layering`, `maxLayers` and `minLayerSize`.

use serde_json::json;

use super::*;

const A: &str = "/nix/store/0c5b7yxgk2znr9lxfk4x1lqg8mvmjzdc-a";
const B: &str = "/nix/store/1c5b7yxgk2znr9lxfk4x1lqg8mvmjzdc-b-1.0";

fn read(value: Value) -> Result<Layering, String> {
    match layering(At::Arguments.key("layering"), &value) {
        Ok(LayeringSource::Given(layering)) => Ok(layering),
        Ok(LayeringSource::File(file)) => panic!("a file: {}", file.display()),
        Err(e) => Err(e.to_string()),
    }
}

#[test]
fn a_file_is_a_pipeline_and_its_errors_name_it() {
    let at = At::Arguments.key("layering");
    let file = LayeringSource::File(A.into());
    for value in [json!(A), json!({ "\0string": A }), json!({ "\0path": A })] {
        assert_eq!(layering(at, &value), Ok(file.clone()));
    }
    let said = |value: Value| written(at, &value).map_err(|e| e.to_string());
    assert_eq!(said(json!({ "\0string": A })), Ok(()));
    assert_eq!(said(json!({ "\0path": "/home/me/layers.json" })), Ok(()));
    assert!(said(json!("/home/me/layers.json")).unwrap_err().contains("a string without context"));

    let read = |text: &str| {
        Layering::from_file(Path::new("/nix/store/p"), text.as_bytes()).map_err(|e| e.to_string())
    };
    assert_eq!(read(r#"[["flatten"]]"#), Ok(Layering::Pipeline(vec![Operation::Flatten])));
    for (text, message) in [
        (r#"[["flaten"]]"#, r#"[0][0]: unknown operation "flaten", did you mean "flatten"?"#),
        (
            r#"[["over", "main", ["pipe", [["split_every", 0]]]]]"#,
            "[0][2][1][0][1]: found an integer (0), accepted: an integer, 1 or more",
        ),
        (r#""size""#, r#"found "size", accepted: a list of operations such as [["popularity_contest"]]"#),
        ("[]", r#"found an empty list, accepted: a list of operations such as [["popularity_contest"]]"#),
        (
            "",
            "not JSON (EOF while parsing a value at line 1 column 0), accepted: a list of operations such as \
             [[\"popularity_contest\"]]",
        ),
    ] {
        assert_eq!(read(text), Err(format!("layering: /nix/store/p: {message}")));
    }
}

fn operation_of(value: Value) -> Operation {
    match read(json!([value])) {
        Ok(Layering::Pipeline(mut operations)) => operations.remove(0),
        other => panic!("{value}: {other:?}"),
    }
}

#[test]
fn strategies_by_name() {
    assert_eq!(read(json!("size")), Ok(Layering::Size));
    assert_eq!(read(json!("popularity")), Ok(Layering::Popularity));
    assert_eq!(read(json!("single")), Ok(Layering::Single));
    assert_eq!(
        read(json!("popularty")),
        Err("layering: found \"popularty\", did you mean \"popularity\"?".to_owned())
    );
    for wrong in [json!("nixery"), json!(""), json!([]), json!(null), json!({}), json!(1)] {
        let message = read(wrong.clone()).unwrap_err();
        assert!(message.contains("accepted: \"size\", \"popularity\", \"single\", a pipeline"), "{message}");
    }
}

#[test]
fn every_operation_in_its_right_form() {
    let a = || vec![A.to_owned()];
    for (value, operation) in [
        (json!(["pipe", []]), Operation::Pipe(vec![])),
        (
            json!(["pipe", [["flatten"], ["reverse"]]]),
            Operation::Pipe(vec![Operation::Flatten, Operation::Reverse]),
        ),
        (
            json!(["over", "rest", ["flatten"]]),
            Operation::Over("rest".to_owned(), Box::new(Operation::Flatten)),
        ),
        (json!(["map", ["reverse"]]), Operation::Map(Box::new(Operation::Reverse))),
        (json!(["flatten"]), Operation::Flatten),
        (json!(["reverse"]), Operation::Reverse),
        (
            json!(["reorder", ["rest", "main"]]),
            Operation::Reorder(vec!["rest".to_owned(), "main".to_owned()]),
        ),
        (json!(["subcomponent_out", [A]]), Operation::SubcomponentOut(a())),
        (json!(["subcomponent_in", [A]]), Operation::SubcomponentIn(a())),
        (
            json!(["split_paths", [A, { "children_of": B }, { "children_of": [A, B] }]]),
            Operation::SplitPaths(vec![
                SplitPath::Path(A.to_owned()),
                SplitPath::ChildrenOf(B.to_owned()),
                SplitPath::ChildrenOf(A.to_owned()),
                SplitPath::ChildrenOf(B.to_owned()),
            ]),
        ),
        (json!(["split_every", 1]), Operation::SplitEvery(1)),
        (json!(["remove_paths", A]), Operation::RemovePaths(a())),
        (json!(["remove_paths", [A, B]]), Operation::RemovePaths(vec![A.to_owned(), B.to_owned()])),
        (json!(["popularity_contest"]), Operation::PopularityContest),
        (json!(["limit_layers", 100]), Operation::LimitLayers(100)),
    ] {
        assert_eq!(operation_of(value), operation);
    }
}

#[test]
fn wrong_operations_are_named_with_their_place() {
    for (value, message) in [
        (json!("flatten"), "[0]: found \"flatten\", accepted: an operation such as [ \"limit_layers\" 10 ]"),
        (json!([]), "[0]: found an empty list, accepted: an operation such as [ \"limit_layers\" 10 ]"),
        (json!([3]), "[0][0]: found an integer (3), accepted: the name of an operation"),
        (
            json!(["split_path", []]),
            "[0][0]: unknown operation \"split_path\", did you mean \"split_paths\"?",
        ),
        (json!(["flatten", 1]), "[0]: found 1 argument, accepted: [ \"flatten\" ]"),
        (json!(["over", "main"]), "[0]: found 1 argument, accepted: [ \"over\" KEY OPERATION ]"),
        (json!(["limit_layers"]), "[0]: found 0 arguments, accepted: [ \"limit_layers\" COUNT ]"),
        (json!(["limit_layers", 0]), "[0][1]: found an integer (0), accepted: an integer, 1 or more"),
        (json!(["split_every", "2"]), "[0][1]: found \"2\", accepted: an integer, 1 or more"),
        (
            json!(["over", 1, ["flatten"]]),
            "[0][1]: found an integer (1), accepted: a key such as \"main\" or \"rest\"",
        ),
        (
            json!(["pipe", [["map", ["flaten"]]]]),
            "[0][1][0][1][0]: unknown operation \"flaten\", did you mean \"flatten\"?",
        ),
        (json!(["subcomponent_out", A]), &format!("[0][1]: found {A:?}, accepted: a list of paths")),
        (
            json!(["split_paths", [{ "childrenof": A }]]),
            "[0][1][0].childrenof: unknown attribute, did you mean \"children_of\"?",
        ),
        (
            json!(["split_paths", [{}]]),
            "[0][1][0]: found an empty set, accepted: a path or { children_of = PATH; }",
        ),
        (
            json!(["remove_paths", ["bash"]]),
            "[0][1][0]: found \"bash\", accepted: a store path (/nix/store/HASH-NAME, nothing below it)",
        ),
    ] {
        assert_eq!(read(json!([value])), Err(format!("layering{message}")));
    }
    let unknown = read(json!([["dominators"]])).unwrap_err();
    assert_eq!(
        unknown,
        format!("layering[0][0]: unknown operation \"dominators\", accepted: {}", OPERATIONS.join(", "))
    );
}

#[test]
fn paths_are_whole_store_paths_or_vouched_for_by_the_evaluator() {
    let removed = |path: Value| read(json!([["remove_paths", path]]));
    let deep = format!("{A}/bin/a");
    let other_store = "/home/me/store/0c5b7yxgk2znr9lxfk4x1lqg8mvmjzdc-a";
    for right in [
        json!(A),
        json!(other_store),
        json!({ "\0string": "/1rz4g4znpzjwh1xymhjpm42vipw92pr73vdgl6xs1hycac8kf2n9" }),
        json!({ "\0path": "/home/me/file" }),
    ] {
        assert!(removed(right.clone()).is_ok(), "{right}");
    }
    for wrong in [
        json!(deep),
        json!("/nix/store/"),
        json!("/nix/store/x-a"),
        json!("/nix/store/0c5b7yxgk2znr9lxfk4x1lqg8mvmjzde-a"),
        json!("/nix/store/0c5b7yxgk2znr9lxfk4x1lqg8mvmjzdc-"),
        json!("/nix/store/0c5b7yxgk2znr9lxfk4x1lqg8mvmjzdc"),
        json!("nix/store/0c5b7yxgk2znr9lxfk4x1lqg8mvmjzdc-a"),
        json!("/0c5b7yxgk2znr9lxfk4x1lqg8mvmjzdc-a"),
        json!({ "\0string": "relative" }),
        json!(3),
    ] {
        assert!(removed(wrong.clone()).is_err(), "{wrong}");
    }
}

#[test]
fn nesting_is_bounded() {
    let nested = |depth: usize| (1..depth).fold(json!(["flatten"]), |inner, _| json!(["map", inner]));
    assert!(read(json!([nested(DEEPEST)])).is_ok());
    let message = read(json!([nested(DEEPEST + 1)])).unwrap_err();
    assert!(message.ends_with(": nested deeper than 64 operations"), "{message}");
}

#[test]
fn layers_are_1_to_127_and_sizes_not_negative() {
    let layers = |value| max_layers(At::Arguments.key("maxLayers"), &value);
    assert_eq!(layers(json!(1)), Ok(1));
    assert_eq!(layers(json!(127)), Ok(127));
    for wrong in
        [json!(0), json!(-1), json!(128), json!(1_000_000_000), json!("100"), json!(1.0), json!(null)]
    {
        assert!(layers(wrong.clone()).is_err(), "{wrong}");
    }
    assert_eq!(
        layers(json!(128)).unwrap_err().to_string(),
        "maxLayers: found an integer (128), accepted: an integer from 1 to 127"
    );
    let size = |value| min_layer_size(At::Arguments.key("minLayerSize"), &value);
    assert_eq!(size(json!(0)), Ok(0));
    assert_eq!(size(json!(i64::MAX)), Ok(i64::MAX.unsigned_abs()));
    assert!(size(json!(-1)).is_err());
    assert!(size(json!("1M")).is_err());
}

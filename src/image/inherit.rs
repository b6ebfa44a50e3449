//! What an image takes over from the configuration of the image below it.

use serde_json::{Map, Value};

use crate::spec::Inherit;

/// Keys whose values are sets that are merged, the image's own entries winning.
const MERGED: [&str; 3] = ["ExposedPorts", "Labels", "Volumes"];

/// The `config` of an image on top of one whose `config` is `base`: the keys that `inherit` names, and
/// `own` over them. `Env` keeps the position of a variable's first value and takes its last (nixpkgs,
/// `stream_layered_image.py`, `overlay_base_config`); sets are merged; of other keys the own value wins. The types of
/// the values were checked when the base was read ([`super::received`]).
pub fn config(base: &Map<String, Value>, own: &Map<String, Value>, inherit: &Inherit) -> Map<String, Value> {
    let inherited = |key: &&String| match inherit {
        Inherit::All => true,
        Inherit::Keys(keys) => keys.contains(key),
    };
    let mut config = own.clone();
    for key in base.keys().filter(inherited) {
        let below = &base[key];
        if below.is_null() {
            continue;
        }
        let value = match (key.as_str(), own.get(key)) {
            ("Env", own) => environment(below, own),
            (name, own) if MERGED.contains(&name) => merged(below, own),
            (_, Some(own)) => own.clone(),
            (_, None) => below.clone(),
        };
        config.insert(key.clone(), value);
    }
    config
}

fn environment(base: &Value, own: Option<&Value>) -> Value {
    let mut variables: Vec<&str> = Vec::new();
    let name = |variable: &str| variable.split('=').next().unwrap_or_default().to_string();
    let lists = [Some(base), own].into_iter().flatten().filter_map(Value::as_array);
    for variable in lists.flatten().filter_map(Value::as_str) {
        match variables.iter_mut().find(|present| name(present) == name(variable)) {
            Some(present) => *present = variable,
            None => variables.push(variable),
        }
    }
    variables.into()
}

fn merged(base: &Value, own: Option<&Value>) -> Value {
    let sets = [Some(base), own].into_iter().flatten().filter_map(Value::as_object);
    Value::Object(sets.flatten().map(|(name, value)| (name.clone(), value.clone())).collect())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn set(value: Value) -> Map<String, Value> {
        match value {
            Value::Object(set) => set,
            _ => panic!("a set"),
        }
    }

    #[test]
    fn env_keeps_the_first_position_and_the_last_value() {
        let base = set(json!({ "Env": ["PATH=/bin", "A=1", "B=2"], "Cmd": ["sh"] }));
        let own = set(json!({ "Env": ["C=3", "A=4=5"] }));
        let config = config(&base, &own, &Inherit::default());
        assert_eq!(Value::from(config), json!({ "Env": ["PATH=/bin", "A=4=5", "B=2", "C=3"] }));
    }

    #[test]
    fn sets_are_merged_and_own_values_win() {
        let base = set(json!({
            "Labels": { "a": "1", "b": "2" }, "User": "nobody", "Cmd": ["sh"], "Volumes": null, "WorkingDir": "/x"
        }));
        let own = set(json!({ "Labels": { "b": "3" }, "Cmd": ["app"] }));
        let all = config(&base, &own, &Inherit::All);
        let expected = json!({
            "Labels": { "a": "1", "b": "3" }, "User": "nobody", "Cmd": ["app"], "WorkingDir": "/x"
        });
        assert_eq!(Value::from(all), expected);
        let some = config(&base, &own, &Inherit::Keys(vec!["User".into()]));
        assert_eq!(Value::from(some), json!({ "Labels": { "b": "3" }, "User": "nobody", "Cmd": ["app"] }));
    }
}

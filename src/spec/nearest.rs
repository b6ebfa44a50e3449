//! The nearest right name for a misspelt one.

/// A name longer than this is no misspelling of any of ours, and not worth measuring.
const LONGEST: usize = 64;

/// What to say about an unknown `name`: `unknown argument, did you mean "copyToRoot"?`, or the list
/// of all of `accepted` if none is near.
pub(super) fn unknown<'a>(
    what: &str,
    name: &str,
    accepted: impl IntoIterator<Item = &'a str> + Clone,
) -> String {
    match nearest(name, accepted.clone()) {
        Some(near) => format!("unknown {what}, did you mean {near:?}?"),
        None => {
            let all: Vec<&str> = accepted.into_iter().collect();
            format!("unknown {what}, accepted: {}", all.join(", "))
        }
    }
}

/// The one of `accepted` that `name` most likely stands for: equal but for case, or with one typing
/// error (insertion, deletion, exchange, transposition) in three characters at most.
pub(super) fn nearest<'a>(name: &str, accepted: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    if name.len() > LONGEST {
        return None;
    }
    let name = name.to_lowercase();
    accepted
        .into_iter()
        .filter_map(|candidate| {
            let distance = strsim::damerau_levenshtein(&name, &candidate.to_lowercase());
            (distance <= name.len().max(candidate.len()) / 3).then_some((distance, candidate))
        })
        .min_by_key(|(distance, _)| *distance)
        .map(|(_, candidate)| candidate)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_near_names_are_suggested() {
        let names = ["copyToRoot", "config", "uid", "gid", "compression", "compressionLevel"];
        for (name, near) in [
            ("copytoroot", Some("copyToRoot")),
            ("copyRoot", Some("copyToRoot")),
            ("cofnig", Some("config")),
            ("compressor", Some("compression")),
            ("compresionLevel", Some("compressionLevel")),
            ("ui", Some("uid")),
            ("fromImage", None),
            ("", None),
            ("x", None),
        ] {
            assert_eq!(nearest(name, names), near, "{name}");
        }
        assert_eq!(nearest(&"u".repeat(1 << 20), names), None);
    }

    #[test]
    fn without_a_near_name_all_are_listed() {
        assert_eq!(unknown("key", "Cmdd", ["Cmd", "User"]), r#"unknown key, did you mean "Cmd"?"#);
        assert_eq!(unknown("key", "Ports", ["Cmd", "User"]), "unknown key, accepted: Cmd, User");
    }
}

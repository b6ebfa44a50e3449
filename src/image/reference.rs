//! Image names as Docker and containerd complete them (distribution/reference, `ParseNormalizedNamed`).

/// The full name of `name`: `app` is `docker.io/library/app`, `me/app` is `docker.io/me/app`, and what
/// begins with a registry stays as it is.
pub fn familiar_to_docker(name: &str) -> String {
    match name.split_once('/') {
        None => format!("docker.io/library/{name}"),
        Some((first, _)) if first.contains(['.', ':']) || first == "localhost" => name.to_string(),
        Some(_) => format!("docker.io/{name}"),
    }
}

/// The same name without what Docker completes: `docker.io/library/app` is `app`.
pub fn short_for_docker(name: &str) -> &str {
    let short = name.strip_prefix("docker.io/").unwrap_or(name);
    let short = short.strip_prefix("library/").unwrap_or(short);
    match familiar_to_docker(short) == name {
        true => short,
        false => name,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_completed_as_docker_does() {
        for (name, full) in [
            ("app", "docker.io/library/app"),
            ("me/app", "docker.io/me/app"),
            ("localhost/app", "localhost/app"),
            ("localhost:5000/app", "localhost:5000/app"),
            ("ghcr.io/me/app", "ghcr.io/me/app"),
            ("[::1]:5000/app", "[::1]:5000/app"),
        ] {
            assert_eq!(familiar_to_docker(name), full);
            assert_eq!(short_for_docker(full), name);
        }
    }
}

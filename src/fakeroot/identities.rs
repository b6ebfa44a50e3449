//! Who a program is, and whom it may become: what the kernel does for the one that has root's privileges, and
//! for all others (setuid(2), setreuid(2), setresuid(2)).

/// Real, effective and saved number of a user, or of a group; all 0 for root.
pub type Numbers = [u32; 3];

/// A call that asks for other numbers; `None` leaves one as it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Request {
    /// setuid, setgid.
    One(u32),
    /// setreuid, setregid: real and effective.
    Two(Option<u32>, Option<u32>),
    /// setresuid, setresgid.
    Three([Option<u32>; 3]),
}

impl Request {
    /// The numbers that come of it; none if it is not permitted.
    pub fn change(self, now: Numbers, privileged: bool) -> Option<Numbers> {
        let [real, effective, saved] = now;
        match self {
            Request::One(number) if privileged => Some([number; 3]),
            Request::One(number) => (number == real || number == saved).then_some([real, number, saved]),
            Request::Two(to_real, to_effective) => {
                let real_allowed = to_real.is_none_or(|to| to == real || to == effective);
                let effective_allowed = to_effective.is_none_or(|to| now.contains(&to));
                let new = to_effective.unwrap_or(effective);
                let saves = to_real.is_some() || to_effective.is_some_and(|to| to != real);
                (privileged || real_allowed && effective_allowed).then_some([
                    to_real.unwrap_or(real),
                    new,
                    if saves { new } else { saved },
                ])
            }
            Request::Three(to) => {
                let allowed = to.iter().flatten().all(|to| now.contains(to));
                let [to_real, to_effective, to_saved] = to;
                (privileged || allowed).then_some([
                    to_real.unwrap_or(real),
                    to_effective.unwrap_or(effective),
                    to_saved.unwrap_or(saved),
                ])
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn root_becomes_anybody() {
        assert_eq!(Request::One(5).change([0; 3], true), Some([5; 3]));
        assert_eq!(Request::Two(Some(5), None).change([0; 3], true), Some([5, 0, 0]));
        assert_eq!(Request::Two(None, Some(5)).change([0; 3], true), Some([0, 5, 5]));
        assert_eq!(Request::Two(None, Some(0)).change([0, 0, 7], true), Some([0, 0, 7]));
        assert_eq!(Request::Three([None, Some(5), None]).change([0; 3], true), Some([0, 5, 0]));
    }

    #[test]
    fn others_become_again_whom_they_are_alone() {
        assert_eq!(Request::One(0).change([5; 3], false), None);
        assert_eq!(Request::One(0).change([5, 5, 0], false), Some([5, 0, 0]));
        assert_eq!(Request::One(0).change([0, 5, 5], false), Some([0, 0, 5]));
        assert_eq!(Request::Two(None, Some(0)).change([5, 5, 0], false), Some([5, 0, 0]));
        assert_eq!(Request::Two(Some(0), None).change([5, 5, 0], false), None);
        assert_eq!(Request::Three([None, Some(0), None]).change([0, 5, 5], false), Some([0, 0, 5]));
        assert_eq!(Request::Three([Some(6), None, None]).change([0, 5, 5], false), None);
        assert_eq!(Request::Three([None; 3]).change([5; 3], false), Some([5; 3]));
    }
}

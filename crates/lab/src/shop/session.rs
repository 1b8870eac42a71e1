//! Who asks: a session in a cookie or a bearer token. Tokens belong to the seed, so that a request mix can make them, and a
//! guessed one belongs to nobody.

/// The token of a user.
#[must_use]
pub fn token(seed: u64, user: u32) -> String {
    let mut rng = fastrand::Rng::with_seed(seed ^ (u64::from(user) << 20));
    format!("u{user}-{:016x}", rng.u64(..))
}

/// The user whose token this is, of `users`.
pub(crate) fn user(seed: u64, users: u32, text: &str) -> Option<u32> {
    let (number, _) = text.strip_prefix('u')?.split_once('-')?;
    let user = number.parse().ok().filter(|user| *user < users)?;
    (token(seed, user) == text).then_some(user)
}

/// The token in the fields of a request: `Authorization: Bearer ...` before `Cookie: session=...`.
pub(crate) fn find(headers: &http::HeaderMap) -> Option<&str> {
    let text = |name| {
        headers
            .get(name)
            .and_then(|value: &http::HeaderValue| value.to_str().ok())
    };
    if let Some(authorization) = text(http::header::AUTHORIZATION) {
        let (scheme, token) = authorization.split_once(' ')?;
        return scheme.eq_ignore_ascii_case("bearer").then(|| token.trim());
    }
    text(http::header::COOKIE)?
        .split(';')
        .find_map(|pair| pair.trim().strip_prefix("session="))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_belongs_to_its_user_and_seed_only() {
        assert_eq!(user(7, 100, &token(7, 42)), Some(42));
        assert_eq!(user(8, 100, &token(7, 42)), None, "another shop's");
        assert_eq!(user(7, 42, &token(7, 42)), None, "no such user");
        assert_eq!(user(7, 100, &token(7, 42).replace("u42", "u41")), None, "a guess");
    }
}

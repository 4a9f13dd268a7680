//! What a new password must be: long enough, not the user's name. No rules of composition (NIST SP 800-63B, section 5.1.1.2
//! advises against them).

/// Fewest characters of a new password.
pub const MIN: usize = 10;
/// Most bytes of a password; more is not hashed but refused.
pub const MAX_BYTES: usize = 256;

/// Checks a new password for a user name. The error says what would be right and never holds the password.
pub fn check(username: &str, password: &str) -> Result<(), &'static str> {
    if password.chars().count() < MIN {
        return Err("a password has at least 10 characters");
    }
    if password.len() > MAX_BYTES {
        return Err("a password has at most 256 bytes");
    }
    if password.contains('\0') {
        return Err("a password has no NUL character");
    }
    if !username.is_empty() && password.eq_ignore_ascii_case(username) {
        return Err("a password is not the user name");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::check;

    #[test]
    fn length_counts_not_composition() {
        assert!(check("ana", "correct horse").is_ok());
        assert!(check("ana", "密码密码密码密码密码").is_ok());
        assert!(check("ana", "short").is_err());
        assert!(check("ana", &"x".repeat(257)).is_err());
        assert!(check("anastasia-b", "Anastasia-B").is_err());
    }
}

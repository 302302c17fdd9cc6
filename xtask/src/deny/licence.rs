//! Expressions of licences: names, `AND`, `OR`, `WITH` an exception, and brackets (SPDX 2.3, annex D).

/// Whether an expression can be met by these licences alone. The stroke of old manifests means `OR`.
pub(super) fn is_allowed(expression: &str, allowed: &[String]) -> Result<bool, ()> {
    let spaced = expression.replace('(', " ( ").replace(')', " ) ").replace('/', " OR ");
    let mut words = Words { left: spaced.split_whitespace().collect(), allowed };
    // They are taken from the end.
    words.left.reverse();
    let met = words.any()?;
    if words.left.is_empty() { Ok(met) } else { Err(()) }
}

struct Words<'a> {
    left: Vec<&'a str>,
    allowed: &'a [String],
}

impl Words<'_> {
    fn any(&mut self) -> Result<bool, ()> {
        let mut met = self.all()?;
        while self.take("OR") {
            met |= self.all()?;
        }
        Ok(met)
    }

    fn all(&mut self) -> Result<bool, ()> {
        let mut met = self.one()?;
        while self.take("AND") {
            met &= self.one()?;
        }
        Ok(met)
    }

    fn one(&mut self) -> Result<bool, ()> {
        match self.left.pop().ok_or(())? {
            "(" => {
                let met = self.any()?;
                if self.take(")") { Ok(met) } else { Err(()) }
            }
            ")" | "AND" | "OR" | "WITH" => Err(()),
            // It is another one with its exception.
            name if self.take("WITH") => {
                let exception = self.left.pop().ok_or(())?;
                let with = format!("{name} WITH {exception}");
                Ok(self.allowed.contains(&with))
            }
            name => Ok(self.allowed.iter().any(|allowed| allowed == name)),
        }
    }

    fn take(&mut self, word: &str) -> bool {
        let is_there = self.left.last() == Some(&word);
        if is_there {
            self.left.pop();
        }
        is_there
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(expression: &str, expected: Result<bool, ()>) {
        let allowed = ["MIT", "ISC", "Apache-2.0"].map(str::to_owned);
        assert_eq!(is_allowed(expression, &allowed), expected, "{expression}");
    }

    #[test]
    fn one_of_several_is_enough_and_all_of_several_are_needed() {
        check("MIT", Ok(true));
        check("GPL-3.0-only", Ok(false));
        check("MIT/GPL-3.0-only", Ok(true));
        check("GPL-3.0-only OR ISC", Ok(true));
        check("MIT AND GPL-3.0-only", Ok(false));
        check("ISC AND (GPL-3.0-only OR ISC)", Ok(true));
        check("GPL-3.0-only OR MIT AND BSL-1.0", Ok(false));
        check("(GPL-3.0-only OR MIT) AND ISC", Ok(true));
        check("Apache-2.0 WITH LLVM-exception OR MIT", Ok(true));
        check("Apache-2.0 WITH LLVM-exception", Ok(false));
    }

    #[test]
    fn what_is_no_expression_is_told() {
        for wrong in ["", "AND", "MIT AND", "MIT ISC", "(MIT", "MIT)", "MIT WITH", "OR MIT"] {
            check(wrong, Err(()));
        }
    }
}

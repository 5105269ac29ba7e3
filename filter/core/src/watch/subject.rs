//! What can be watched: one kind of one Coder.

/// A kind of object.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
#[allow(missing_docs, reason = "the names are the kinds'")]
pub enum Kind {
    Workspaces,
    Templates,
}

impl Kind {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Workspaces, Self::Templates];

    /// A letter for keys and annotations.
    pub fn letter(self) -> &'static str {
        match self {
            Self::Workspaces => "w",
            Self::Templates => "t",
        }
    }
}

/// One kind of the Coder behind one namespace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Subject {
    /// The namespace that stands for the Coder.
    pub namespace: String,
    /// The kind.
    pub kind: Kind,
}

impl Subject {
    /// As a word: `w.<namespace>`.
    pub fn key(&self) -> String {
        [self.kind.letter(), ".", &self.namespace].concat()
    }

    /// Reads [`Subject::key`].
    pub fn parse(key: &str) -> Option<Self> {
        let (letter, namespace) = key.split_once('.')?;
        let kind = Kind::ALL.into_iter().find(|kind| kind.letter() == letter)?;
        Some(Self { namespace: namespace.to_owned(), kind })
    }
}

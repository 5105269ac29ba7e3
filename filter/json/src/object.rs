//! Structs that are read from objects.

/// `object!(Type<'de> { required } { optional })` reads a struct from an object. Every field is named, by its name in JSON or as
/// `field as "name"`; `closed` at the end refuses fields that are unknown.
#[macro_export]
macro_rules! object {
    (@ $de:lifetime [$type:ty] {$($need:ident $(as $need_name:literal)?),*} {$($may:ident $(as $may_name:literal)?),*} $($closed:ident)?) => {
        impl<$de> $crate::Read<$de> for $type {
            fn expected(&self) -> &'static str {
                "a map"
            }
            fn parts(&mut self) -> $crate::Parts<'_, $de> {
                $crate::Parts::Object(self)
            }
        }
        impl<$de> $crate::Object<$de> for $type {
            fn required(&self) -> &'static [&'static str] {
                &[$($crate::name!($need $($need_name)?)),*]
            }
            $($crate::name!(@ $closed);)?
            fn field(&mut self, name: &std::borrow::Cow<$de, str>) -> Option<$crate::Field<'_, $de>> {
                #[allow(non_camel_case_types, dead_code, reason = "the fields' own names; some objects require none")]
                enum Place { $($need),* }
                let Self { $($need,)* $($may,)* .. } = self;
                $(if $crate::is(name, $crate::name!($need $($need_name)?)) {
                    return Some($crate::Field { target: $need, required: Some(Place::$need as u32) });
                })*
                $(if $crate::is(name, $crate::name!($may $($may_name)?)) {
                    return Some($crate::Field { target: $may, required: None });
                })*
                None
            }
        }
    };
    ($name:ident<$de:lifetime> $($fields:tt)*) => { $crate::object!(@ $de [$name<$de>] $($fields)*); };
    ($name:ident $($fields:tt)*) => { $crate::object!(@ 'de [$name] $($fields)*); };
}

/// Whether a field has that name, for [`object`]: most have not even its length, and that is seen without a call.
#[doc(hidden)]
#[inline(always)]
#[must_use]
pub fn is(name: &str, known: &str) -> bool {
    name.len() == known.len() && name == known
}

/// The name of a field in JSON, for [`object`].
#[doc(hidden)]
#[macro_export]
macro_rules! name {
    (@ closed) => {
        fn is_closed(&self) -> bool {
            true
        }
    };
    ($field:ident) => {
        stringify!($field)
    };
    ($field:ident $name:literal) => {
        $name
    };
}

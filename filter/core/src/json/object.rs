//! Structs that are read from objects.

/// `object!(Type<'de> { required } { optional })` reads a struct from an object. Every field is named, by its name in JSON or as
/// `field as "name"`; `closed` at the end refuses fields that are unknown.
macro_rules! object {
    (@ $de:lifetime [$type:ty] {$($need:ident $(as $need_name:literal)?),*} {$($may:ident $(as $may_name:literal)?),*} $($closed:ident)?) => {
        impl<$de> $crate::json::Read<$de> for $type {
            fn expected(&self) -> &'static str {
                "a map"
            }
            fn parts(&mut self) -> $crate::json::Parts<'_, $de> {
                $crate::json::Parts::Object(self)
            }
        }
        impl<$de> $crate::json::Object<$de> for $type {
            fn required(&self) -> &'static [&'static str] {
                &[$($crate::json::name!($need $($need_name)?)),*]
            }
            $($crate::json::name!(@ $closed);)?
            fn field(&mut self, name: &std::borrow::Cow<$de, str>) -> Option<$crate::json::Field<'_, $de>> {
                #[allow(non_camel_case_types, dead_code, reason = "the fields' own names; some objects require none")]
                enum Place { $($need),* }
                let Self { $($need,)* $($may,)* } = self;
                Some(match &**name {
                    $($crate::json::name!($need $($need_name)?) => {
                        $crate::json::Field { target: $need, required: Some(Place::$need as u32) }
                    })*
                    $($crate::json::name!($may $($may_name)?) => $crate::json::Field { target: $may, required: None },)*
                    _ => return None,
                })
            }
        }
    };
    ($name:ident<$de:lifetime> $($fields:tt)*) => { $crate::json::object!(@ $de [$name<$de>] $($fields)*); };
    ($name:ident $($fields:tt)*) => { $crate::json::object!(@ 'de [$name] $($fields)*); };
}

/// The name of a field in JSON.
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

pub(crate) use {name, object};

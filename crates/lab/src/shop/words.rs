//! The words that the shop's goods are made of.

/// Departments, in the order of their numbers.
pub(crate) const CATEGORIES: [&str; 12] = [
    "lamps", "chairs", "tables", "shelves", "rugs", "kitchen", "garden", "tools", "bags", "shoes", "books", "toys",
];

/// What a thing of each department is called.
pub(crate) const THINGS: [[&str; 4]; 12] = [
    ["Lamp", "Lantern", "Spotlight", "Chandelier"],
    ["Chair", "Stool", "Armchair", "Bench"],
    ["Table", "Desk", "Sideboard", "Workbench"],
    ["Shelf", "Bookcase", "Cabinet", "Rack"],
    ["Rug", "Carpet", "Mat", "Runner"],
    ["Kettle", "Skillet", "Teapot", "Knife"],
    ["Planter", "Trowel", "Hammock", "Hose"],
    ["Hammer", "Drill", "Wrench", "Saw"],
    ["Backpack", "Satchel", "Suitcase", "Pouch"],
    ["Boot", "Sneaker", "Sandal", "Loafer"],
    ["Novel", "Atlas", "Cookbook", "Almanac"],
    ["Puzzle", "Kite", "Robot", "Marble"],
];

/// What things are like. People search for these, too.
pub(crate) const QUALITIES: [&str; 24] = [
    "amber", "brass", "cedar", "cobalt", "copper", "cotton", "ebony", "folding", "frosted", "granite", "ivory",
    "linen", "maple", "matte", "nordic", "oak", "olive", "quiet", "rustic", "silver", "slim", "velvet", "walnut",
    "woven",
];

/// What descriptions are written with.
pub(crate) const PROSE: [&str; 40] = [
    "a", "and", "balanced", "built", "by", "careful", "classic", "comfort", "craft", "daily", "design", "detail",
    "durable", "easy", "every", "finish", "for", "hand", "home", "in", "is", "lasting", "light", "made", "material",
    "of", "our", "quality", "simple", "small", "solid", "space", "that", "the", "this", "to", "use", "warm", "with",
    "years",
];

/// Who writes reviews.
pub(crate) const NAMES: [&str; 12] = [
    "Ada", "Bela", "Chidi", "Dana", "Emre", "Freya", "Goran", "Hana", "Ivo", "Juno", "Kofi", "Lena",
];

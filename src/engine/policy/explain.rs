//! The walk of a series in words.

use super::FamilyPlan;

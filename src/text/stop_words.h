/*
 * stop_words: English words that say how a sentence is built rather than what it is about; for this
 * folder.
 */
#ifndef LH_TEXT_STOP_WORDS_H
#define LH_TEXT_STOP_WORDS_H

#include "base/str.h"

bool text_is_stop_word(lh_str term); /* folded, not stemmed */

#endif

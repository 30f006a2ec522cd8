//! What every store of the change log must do, as a suite of tests: a store that passes may be used.
//!
//! [`store`] and [`spans`] call each method of the traits and hold it to its words; [`rules`], [`paging`], [`checks`], [`visibility`] and
//! [`heads`] drive push, pull and check over the store; [`concurrency`] does so from many tasks at once. A store runs all of it with one line:
//! `change_log_contract!(open)`, where `open` is an async function that gives a guard and an empty log. A store that can be read by
//! time passes [`by_time`] and [`withheld`] as well: `by_time_contract!(open)`.

pub mod by_time;
pub mod checks;
pub mod concurrency;
pub mod fixtures;
pub mod heads;
pub mod own_spaces;
pub mod paging;
pub mod rows;
pub mod rules;
pub mod spans;
pub mod store;
pub mod visibility;
pub mod withheld;

/// Makes one test of each case of the contract, for the store that `$open` opens.
#[macro_export]
macro_rules! change_log_contract {
    ($open:path) => {
        $crate::change_log_contract!(@cases $open, store, [
            the_epoch_stays_the_same,
            a_stream_without_rows_stands_nowhere,
            a_transaction_stands_where_it_has_written,
            rows_come_back_as_they_were_written,
            a_position_that_does_not_follow_is_refused,
            a_dropped_transaction_leaves_nothing,
            a_snapshot_sees_one_moment,
            an_event_of_one_user_is_stored_once_in_all_streams,
            heads_are_kept_and_replaced,
            what_a_person_wrote_is_counted_when_it_is_committed,
        ]);
        $crate::change_log_contract!(@cases $open, spans, [
            a_span_gives_its_tables_between_its_ends,
            a_span_is_cut_by_count_and_by_bytes,
            rows_of_private_records_are_for_their_author,
            tags_are_found_where_there_are_rows,
            a_horizon_is_kept,
            ids_with_quotes_and_commas_name_nothing_else,
        ]);
        $crate::change_log_contract!(@cases $open, rules, [
            a_push_comes_back_in_a_pull,
            a_lost_answer_stores_nothing_twice,
            a_lost_answer_is_repeated_whatever_the_rules_say_now,
            an_event_id_names_one_change_for_ever,
            an_id_sent_twice_in_one_push_is_answered_once,
            one_bad_change_does_not_stop_the_others,
            a_group_is_taken_whole_or_not_at_all,
            outsiders_and_viewers_write_nothing,
            all_mentions_of_a_space_agree,
            the_personal_space_travels_under_its_alias,
            stamps_ahead_of_the_server_are_refused,
            a_schema_newer_than_the_server_is_refused,
        ]);
        $crate::change_log_contract!(@cases $open, paging, [
            every_page_size_gives_every_row_once,
            a_table_added_later_comes_from_its_beginning,
            tables_at_different_places_are_read_in_the_order_of_the_stream,
            a_space_joined_later_comes_from_its_beginning,
            fewer_tables_leave_the_others_where_they_were,
            a_page_says_how_far_each_app_was_read,
            a_large_change_makes_a_page_of_its_own,
            a_cursor_of_another_log_is_refused,
            a_cursor_ahead_of_the_log_is_refused,
            a_cursor_behind_the_horizon_is_refused,
            a_receipt_is_refused_by_a_log_without_what_it_stands_for,
        ]);
        $crate::change_log_contract!(@cases $open, checks, [
            a_check_counts_live_records_under_their_newest_stamps,
            a_check_leaves_out_what_it_is_told_to,
            a_check_says_nothing_of_what_its_reader_may_not_see,
            a_check_behind_the_end_says_so,
            a_check_is_what_its_readers_pull_comes_to,
        ]);
        $crate::change_log_contract!(@cases $open, visibility, [
            private_records_are_served_and_written_by_their_author_only,
            hiding_a_record_withdraws_it_from_the_others,
            showing_a_record_sends_it_to_the_others,
            only_an_insert_of_the_author_changes_visibility,
            an_insert_older_than_what_hid_the_record_shows_nothing,
            an_insert_older_than_what_showed_the_record_withdraws_nothing,
            the_first_insert_says_who_the_author_is,
            private_news_is_told_to_the_author_only,
        ]);
        $crate::change_log_contract!(@cases $open, heads, [
            of_two_inserts_the_merge_says_whose_gives_the_author,
            nobody_makes_another_person_the_author,
            heads_are_what_clients_merge,
        ]);
        $crate::change_log_contract!(@cases $open, own_spaces, [
            a_space_that_its_owner_names_becomes_their_own,
            a_reader_goes_on_and_gets_what_was_moved_once,
            nobody_is_believed_about_a_space_that_may_be_shared,
            heads_go_along,
            a_writer_that_did_not_know_writes_to_the_own_stream_instead,
            a_space_that_somebody_else_was_seen_in_becomes_nobodys_own,
            who_turns_up_in_somebodys_own_space_is_not_in_it,
            of_an_owner_and_a_member_at_once_nobodys_changes_lie_alone,
            what_is_moved_stays_as_it_was_written,
        ]);
        $crate::change_log_contract!(@cases $open, concurrency, [
            writers_at_once_and_a_paging_reader_miss_nothing,
            one_push_sent_by_many_at_once_is_stored_once,
        ]);
    };
    (@cases $open:path, $module:ident, [$($case:ident),* $(,)?]) => {
        $(
            #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $case() {
                let (_guard, log) = $open().await;
                $crate::log::contract::$module::$case(log).await;
            }
        )*
    };
}

/// The same of a store that can be read by time.
#[macro_export]
macro_rules! by_time_contract {
    ($open:path) => {
        $crate::change_log_contract!(@cases $open, by_time, [
            every_page_size_gives_each_change_once_in_its_order,
            who_reads_on_gets_what_is_new,
            only_what_is_asked_for_comes,
            a_page_by_time_is_cut_by_bytes,
            nobody_is_served_what_they_may_not_see,
            what_commits_late_is_read,
        ]);
        $crate::change_log_contract!(@cases $open, withheld, [
            what_is_withheld_is_for_its_authors_other_clients,
            what_is_withheld_counts_and_is_kept_whole_or_not_at_all,
        ]);
    };
}

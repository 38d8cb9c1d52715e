#include "apps/cli/staffing.h"

#include <stdio.h>

#define BATCH_BYTES ((size_t)256 << 10)
#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

/* ---- chance ---- */

/* A well-mixed number for (table, row, column): the finaliser of splitmix64,
 * https://prng.di.unimi.it/splitmix64.c */
static uint64_t
mixed(uint64_t table, uint64_t row, uint64_t column)
{
    uint64_t x = (row * 64 + column) * 0x9E3779B97F4A7C15u + table * 0xD1B54A32D192ED03u;
    x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9u;
    x = (x ^ (x >> 27)) * 0x94D049BB133111EBu;
    return x ^ (x >> 31);
}

static uint64_t
below(uint64_t table, uint64_t row, uint64_t column, uint64_t n)
{
    return mixed(table, row, column) % n;
}

enum { WORKERS = 1, CLIENTS, JOBS, PLACEMENTS, TIMESHEETS, CALLS, INTERVIEWS };

/* ---- vocabulary ---- */

struct city {
    const char *name, *state, *zip; /* the first three digits */
};

static const struct city cities[] = {
    {"Chicago", "IL", "606"},      {"Joliet", "IL", "604"},    {"Aurora", "IL", "605"},
    {"Rockford", "IL", "611"},     {"Peoria", "IL", "616"},    {"Springfield", "IL", "627"},
    {"Boston", "MA", "021"},       {"Worcester", "MA", "016"}, {"Newark", "NJ", "071"},
    {"Edison", "NJ", "088"},       {"New York", "NY", "100"},  {"Buffalo", "NY", "142"},
    {"Philadelphia", "PA", "191"}, {"Allentown", "PA", "181"}, {"Columbus", "OH", "432"},
    {"Cleveland", "OH", "441"},    {"Detroit", "MI", "482"},   {"Grand Rapids", "MI", "495"},
    {"Indianapolis", "IN", "462"}, {"Gary", "IN", "464"},      {"Milwaukee", "WI", "532"},
    {"Minneapolis", "MN", "554"},  {"St. Louis", "MO", "631"}, {"Kansas City", "MO", "641"},
    {"Memphis", "TN", "381"},      {"Nashville", "TN", "372"}, {"Atlanta", "GA", "303"},
    {"Savannah", "GA", "314"},     {"Charlotte", "NC", "282"}, {"Dallas", "TX", "752"},
    {"Houston", "TX", "770"},      {"Laredo", "TX", "780"},    {"Phoenix", "AZ", "850"},
    {"Denver", "CO", "802"},       {"Las Vegas", "NV", "891"}, {"Los Angeles", "CA", "900"},
    {"Ontario", "CA", "917"},      {"Stockton", "CA", "952"},  {"Seattle", "WA", "981"},
    {"Portland", "OR", "972"},
};

static const char *const first_names[] = {
    "Maria", "James",  "Aisha", "Luis",  "Wei",    "Olga",  "Samuel", "Nina",  "Omar",  "Grace",
    "Pedro", "Hana",   "Ivan",  "Leila", "Marcus", "Elena", "Tomás",  "Chloé", "Björn", "Zoë",
    "David", "Fatima", "Kevin", "Rosa",  "Andre",  "Priya", "Viktor", "Ana",   "Jamal", "Ruth"};

static const char *const last_names[] = {
    "Garcia", "Smith",    "Nguyen",   "Johnson", "Kowalski", "Okafor", "Müller",    "Rossi",
    "Haddad", "Brown",    "Petrov",   "Silva",   "O'Neil",   "Tanaka", "Andersson", "Diaz",
    "Cohen",  "Williams", "Khan",     "Lopez",   "Schmidt",  "Jones",  "Dubois",    "Ivanova",
    "Mensah", "Davis",    "Ferreira", "Novak",   "Ali",      "Walker"};

struct role {
    const char *name, *papers;
    unsigned pay_cents; /* an hour, at the least */
};

static const struct role roles[] = {{"Forklift Operator", "Forklift", 1950},
                                    {"Order Picker", "", 1650},
                                    {"Warehouse Associate", "", 1600},
                                    {"Welder", "AWS D1.1", 2400},
                                    {"CNC Machinist", "NIMS", 2500},
                                    {"Assembler", "", 1700},
                                    {"Electrician", "Journeyman", 2900},
                                    {"Truck Driver", "CDL-A", 2600},
                                    {"Packer", "", 1550},
                                    {"Maintenance Technician", "EPA 608", 2650},
                                    {"Quality Inspector", "Six Sigma", 2200},
                                    {"Line Cook", "ServSafe", 1600},
                                    {"Nursing Assistant", "CNA", 1850},
                                    {"Office Clerk", "", 1750},
                                    {"Customer Service", "", 1700},
                                    {"Janitor", "", 1500}};

static const char *const industries[] = {"Logistics",  "Manufacturing", "Food",   "Retail",
                                         "Healthcare", "Construction",  "Energy", "Automotive"};
static const char *const company_heads[] = {"Lakeside", "Prairie", "Summit",  "Union",
                                            "Keystone", "Harbor",  "Midwest", "Blue Ridge"};
static const char *const company_tails[] = {"Logistics", "Foods", "Manufacturing", "Distribution",
                                            "Packaging", "Steel", "Care",          "Supply"};
static const char *const outcomes[] = {"answered", "voicemail", "no answer",
                                       "declined", "call back", "wrong number"};

static const char *const notes[] = {
    "Interested in second shift, can start Monday.",
    "Left a message about the forklift opening at the cold storage site.",
    "Asked about overtime pay and weekend work.",
    "Says the commute is too far without a car.",
    "OSHA card expires next month, will renew.",
    "Wants a permanent position, not day labor.",
    "Prefers early mornings; has childcare after three.",
    "Reported a sore back, looking for lighter duty.",
    "Happy with the last assignment, supervisor praised attendance.",
    "Phone disconnected, try the e-mail address.",
    "Will think about it and call back before Friday.",
    "Declined: found work through a friend.",
};

/* What was written down after an interview: one sentence of each list. */
static const char *const skills[] = {
    "Drove reach trucks and counterbalance forklifts in a frozen food warehouse for years.",
    "Picked orders with a hand scanner and held the best error rate of the crew.",
    "Welds stainless pipe in position and reads isometric drawings.",
    "Set up a five axis mill and wrote the programs as well.",
    "Rewired a bakery line and found faults that others had given up on.",
    "Hauled refrigerated trailers across four states without an accident.",
    "Ran the fryer and the grill through a lunch rush of three hundred covers.",
    "Looked after residents with dementia and lifted them with a hoist.",
    "Answered angry callers for an airline and turned most of them around.",
    "Kept the books of a small dentist's office and typed letters.",
    "Cleaned an operating theatre to the standard of infection control.",
    "Measured castings with callipers and a coordinate machine and wrote the reports.",
    "Packed glass for export and taught two newcomers how.",
    "Serviced chillers and compressors and holds the refrigerant papers.",
};
static const char *const manners[] = {
    "Calm and kind, even when people shout.",
    "Talks little, works steadily, never looks at the clock.",
    "Quick to joke, and the whole shift liked it.",
    "Asks good questions and writes the answers down.",
    "Proud of tidy work and upset by waste.",
    "Nervous at first, then clear and honest.",
    "Leads without being asked and shares the credit.",
    "Impatient with slow colleagues, as the last supervisor also says.",
};
static const char *const times[] = {
    "Looks for nights, because the days belong to a small daughter.",
    "Can start before dawn but must leave by two to fetch the children from school.",
    "Free on weekends only, studies nursing during the week.",
    "Available at once, any shift, overtime welcome.",
    "Needs two weeks of notice with the present employer.",
    "Would rather work four long days than five short ones.",
    "Will travel and sleep away from home all week.",
};
static const char *const wishes[] = {
    "Has no car and depends on the bus.",
    "Lives near the harbour and cycles to work.",
    "Hopes for a permanent contract with health insurance.",
    "Wants to learn a trade rather than earn more.",
    "Cannot lift heavy things since an operation on the back.",
    "Speaks Spanish and Portuguese, English well enough.",
    "Was laid off when the plant closed and is eager to be back.",
    "Asked twice about pay and will not go below the last wage.",
    "The safety card has run out and must be renewed.",
};

static const struct city *
city_of(uint64_t table, uint64_t row)
{
    return &cities[below(table, row, 1, COUNT(cities))];
}

static const struct role *
role_of_worker(uint64_t worker)
{
    return &roles[below(WORKERS, worker, 2, COUNT(roles))];
}

/* Days since 1970 as YYYY-MM-DD; H. Hinnant, "chrono-Compatible Low-Level Date Algorithms",
 * civil_from_days. */
static void
date_print(struct lh_buf *out, int64_t days)
{
    int64_t z = days + 719468;
    int64_t era = z / 146097;
    int64_t doe = z - era * 146097;
    int64_t yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
    int64_t doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
    int64_t mp = (5 * doy + 2) / 153;
    int64_t month = mp < 10 ? mp + 3 : mp - 9;
    int64_t year = yoe + era * 400 + (month <= 2);
    lh_buf_printf(out, "%04d-%02d-%02d", (int)year, (int)month,
                  (int)(doy - (153 * mp + 2) / 5 + 1));
}

#define DAY_2015 16436
#define DAY_2024 19723

static void
worker_id_print(struct lh_buf *out, uint64_t worker)
{
    lh_buf_printf(out, "W%07llu", (unsigned long long)worker);
}

/* ---- rows ---- */

static void
worker_print(const struct staffing_scale *scale, uint64_t i, struct lh_buf *out)
{
    (void)scale;
    const struct city *city = city_of(WORKERS, i);
    const struct role *role = role_of_worker(i);
    const char *first = first_names[below(WORKERS, i, 3, COUNT(first_names))];
    const char *last = last_names[below(WORKERS, i, 4, COUNT(last_names))];
    uint64_t phone = mixed(WORKERS, i, 5);
    bool has_osha = below(WORKERS, i, 6, 5) < 2;
    worker_id_print(out, i);
    lh_buf_printf(out, ",%s %s,w%llu@example.com,+1-%03u-555-%04u,%s,%s,%s%02u,%s,", first, last,
                  (unsigned long long)i, 200 + (unsigned)(phone % 800),
                  (unsigned)(phone >> 20) % 10000, city->name, city->state, city->zip,
                  (unsigned)below(WORKERS, i, 7, 100), role->name);
    lh_buf_printf(out, "%s%s%s,", role->papers, has_osha && *role->papers ? ";" : "",
                  has_osha ? (below(WORKERS, i, 8, 2) ? "OSHA-30" : "OSHA-10") : "");
    unsigned cents = role->pay_cents + (unsigned)below(WORKERS, i, 9, 900);
    /* Two draws averaged: most workers are reliable, few are not. */
    unsigned reliability =
        400 + (unsigned)(below(WORKERS, i, 10, 601) + below(WORKERS, i, 11, 601)) / 2;
    lh_buf_printf(out, "%u.%02u,%u.%03u,%u,", cents / 100, cents % 100, reliability / 1000,
                  reliability % 1000, (unsigned)below(WORKERS, i, 12, 31));
    date_print(out, DAY_2015 + (int64_t)below(WORKERS, i, 13, 3600));
    lh_buf_add_cstr(out, below(WORKERS, i, 14, 8) ? ",true\n" : ",false\n");
}

static void
client_print(const struct staffing_scale *scale, uint64_t i, struct lh_buf *out)
{
    (void)scale;
    const struct city *city = city_of(CLIENTS, i);
    lh_buf_printf(out, "C%05llu,%s %s %llu,%s,%s,%s,%s%02u,contact%llu@example.com,",
                  (unsigned long long)i, company_heads[below(CLIENTS, i, 2, COUNT(company_heads))],
                  company_tails[below(CLIENTS, i, 3, COUNT(company_tails))],
                  (unsigned long long)(i % 97), industries[below(CLIENTS, i, 4, COUNT(industries))],
                  city->name, city->state, city->zip, (unsigned)below(CLIENTS, i, 5, 100),
                  (unsigned long long)i);
    date_print(out, DAY_2015 + (int64_t)below(CLIENTS, i, 6, 3000));
    lh_buf_add_char(out, '\n');
}

static void
job_print(const struct staffing_scale *scale, uint64_t i, struct lh_buf *out)
{
    static const char *const states[] = {"open", "filled", "filled", "closed", "canceled"};
    const struct city *city = city_of(JOBS, i);
    const struct role *role = &roles[below(JOBS, i, 2, COUNT(roles))];
    unsigned cents = role->pay_cents + (unsigned)below(JOBS, i, 3, 700);
    int64_t start = DAY_2024 + (int64_t)below(JOBS, i, 4, 700);
    lh_buf_printf(out, "J%06llu,C%05llu,%s,%s,%s,%u,%u.%02u,", (unsigned long long)i,
                  1 + (unsigned long long)below(JOBS, i, 5, scale->clients), role->name, city->name,
                  city->state, 1 + (unsigned)below(JOBS, i, 6, 12), cents / 100, cents % 100);
    date_print(out, start);
    lh_buf_add_char(out, ',');
    date_print(out, start + 7 * (1 + (int64_t)below(JOBS, i, 7, 26)));
    lh_buf_printf(out, ",%s\n", states[below(JOBS, i, 8, COUNT(states))]);
}

/* Every tenth worker is never placed. */
static uint64_t
worker_of_placement(const struct staffing_scale *scale, uint64_t i)
{
    uint64_t worker = 1 + below(PLACEMENTS, i, 1, scale->workers);
    return worker % 10 == 0 && worker > 1 ? worker - 1 : worker;
}

static void
placement_print(const struct staffing_scale *scale, uint64_t i, struct lh_buf *out)
{
    uint64_t worker = worker_of_placement(scale, i);
    unsigned cents = role_of_worker(worker)->pay_cents + (unsigned)below(PLACEMENTS, i, 2, 800);
    int64_t start = DAY_2024 + (int64_t)below(PLACEMENTS, i, 3, 700);
    lh_buf_printf(out, "P%06llu,J%06llu,", (unsigned long long)i,
                  1 + (unsigned long long)below(PLACEMENTS, i, 4, scale->jobs));
    worker_id_print(out, worker);
    lh_buf_add_char(out, ',');
    date_print(out, start);
    lh_buf_add_char(out, ',');
    if (below(PLACEMENTS, i, 5, 4)) /* one in four still runs */
        date_print(out, start + 5 + (int64_t)below(PLACEMENTS, i, 6, 180));
    lh_buf_printf(out, ",%u.%02u,", cents / 100, cents % 100);
    if (below(PLACEMENTS, i, 7, 3))
        lh_buf_printf(out, "%u", 1 + (unsigned)below(PLACEMENTS, i, 8, 5));
    lh_buf_add_char(out, '\n');
}

static void
timesheet_print(const struct staffing_scale *scale, uint64_t i, struct lh_buf *out)
{
    uint64_t placement = 1 + below(TIMESHEETS, i, 1, scale->placements);
    unsigned quarters = 40 + (unsigned)below(TIMESHEETS, i, 2, 121); /* of an hour */
    unsigned overtime = below(TIMESHEETS, i, 3, 4) ? 0 : (unsigned)below(TIMESHEETS, i, 4, 49);
    lh_buf_printf(out, "T%07llu,P%06llu,", (unsigned long long)i, (unsigned long long)placement);
    worker_id_print(out, worker_of_placement(scale, placement));
    lh_buf_add_char(out, ',');
    date_print(out, DAY_2024 + 5 + 7 * (int64_t)below(TIMESHEETS, i, 5, 100));
    lh_buf_printf(out, ",%u.%02u,%u.%02u,%s\n", quarters / 4, quarters % 4 * 25, overtime / 4,
                  overtime % 4 * 25, below(TIMESHEETS, i, 6, 20) ? "true" : "false");
}

static void
call_print(const struct staffing_scale *scale, uint64_t i, struct lh_buf *out)
{
    uint64_t groups = scale->workers / 5 ? scale->workers / 5 : 1;
    uint64_t worker = 5 * (1 + below(CALLS, i, 1, groups));
    if (worker > scale->workers)
        worker = scale->workers;
    unsigned second = (unsigned)below(CALLS, i, 2, 10 * 3600);
    lh_buf_printf(out, "L%07llu,", (unsigned long long)i);
    worker_id_print(out, worker);
    lh_buf_add_char(out, ',');
    date_print(out, DAY_2024 + (int64_t)below(CALLS, i, 3, 690));
    lh_buf_printf(out, "T%02u:%02u:%02u,%s,%u,", 8 + second / 3600, second / 60 % 60, second % 60,
                  outcomes[below(CALLS, i, 4, COUNT(outcomes))], (unsigned)below(CALLS, i, 5, 600));
    if (below(CALLS, i, 6, 3) == 0) /* notes hold commas, so they are quoted */
        lh_buf_printf(out, "\"%s\"", notes[below(CALLS, i, 7, COUNT(notes))]);
    lh_buf_add_char(out, '\n');
}

static void
interview_print(const struct staffing_scale *scale, uint64_t i, struct lh_buf *out)
{
    lh_buf_printf(out, "I%06llu,", (unsigned long long)i);
    worker_id_print(out, 1 + below(INTERVIEWS, i, 1, scale->workers));
    lh_buf_add_char(out, ',');
    date_print(out, DAY_2024 + (int64_t)below(INTERVIEWS, i, 2, 690));
    lh_buf_printf(out, ",\"%s %s %s %s\"\n", skills[below(INTERVIEWS, i, 3, COUNT(skills))],
                  manners[below(INTERVIEWS, i, 4, COUNT(manners))],
                  times[below(INTERVIEWS, i, 5, COUNT(times))],
                  wishes[below(INTERVIEWS, i, 6, COUNT(wishes))]);
}

/* ---- tables ---- */

const struct staffing_table staffing_tables[] = {
    {"workers",
     "worker_id,full_name,email,phone,city,state,zip,role,certifications,hourly_rate,reliability,"
     "years_experience,hired_on,is_active",
     offsetof(struct staffing_scale, workers), worker_print},
    {"clients", "client_id,name,industry,city,state,zip,contact_email,client_since",
     offsetof(struct staffing_scale, clients), client_print},
    {"job_orders", "job_id,client_id,role,city,state,openings,pay_rate,starts_on,ends_on,status",
     offsetof(struct staffing_scale, jobs), job_print},
    {"placements", "placement_id,job_id,worker_id,started_on,ended_on,pay_rate,rating",
     offsetof(struct staffing_scale, placements), placement_print},
    {"timesheets",
     "timesheet_id,placement_id,worker_id,week_ending,hours,overtime_hours,is_approved",
     offsetof(struct staffing_scale, timesheets), timesheet_print},
    {"call_log", "call_id,worker_id,called_at,outcome,duration_s,note",
     offsetof(struct staffing_scale, calls), call_print},
    {"interviews", "interview_id,worker_id,held_on,summary",
     offsetof(struct staffing_scale, interviews), interview_print},
    {0}};

static uint64_t
scaled(double rows, double scale)
{
    double n = rows * scale;
    return n < 1 ? 1 : (uint64_t)(n + 0.5);
}

struct staffing_scale
staffing_scale_of(double scale)
{
    return (struct staffing_scale){
        .workers = scaled(500000, scale),
        .clients = scaled(20000, scale),
        .jobs = scaled(200000, scale),
        .placements = scaled(300000, scale),
        .timesheets = scaled(780000, scale),
        .calls = scaled(600000, scale),
        .interviews = scaled(20000, scale),
    };
}

uint64_t
staffing_rows(const struct staffing_scale *scale, const struct staffing_table *table)
{
    uint64_t rows;
    memcpy(&rows, (const char *)scale + table->rows_at, sizeof(rows));
    return rows;
}

/* ---- as a stream ---- */

void
staffing_source_init(struct staffing_source *s, const struct staffing_table *table,
                     const struct staffing_scale *scale)
{
    *s = (struct staffing_source){.table = table, .scale = *scale, .next = 1};
    lh_buf_init(&s->rest, BATCH_BYTES * 2);
    lh_buf_printf(&s->rest, "%s\n", table->header);
}

void
staffing_source_fini(struct staffing_source *s)
{
    lh_buf_fini(&s->rest);
}

lh_status
staffing_source_read(void *self, void *to, size_t size, size_t *got, struct lh_error *err)
{
    struct staffing_source *s = self;
    if (s->taken == s->rest.len) {
        lh_buf_clear(&s->rest);
        s->taken = 0;
    }
    uint64_t rows = staffing_rows(&s->scale, s->table);
    while (s->next <= rows && s->rest.len < BATCH_BYTES)
        s->table->row_print(&s->scale, s->next++, &s->rest);
    LH_TRY(lh_buf_check(&s->rest, "a batch of sample rows", err));
    size_t n = s->rest.len - s->taken;
    *got = n < size ? n : size;
    memcpy(to, s->rest.data + s->taken, *got);
    s->taken += *got;
    return LH_OK;
}

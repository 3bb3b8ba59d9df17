using OrleansPd.Core.Admission;
using OrleansPd.Core.Policies;
using OrleansPd.Core.Requests;
using OrleansPd.Core.States;
using OrleansPd.Core.Workers;
using OrleansPd.Testing;

namespace OrleansPd.Core.Tests;

/// <summary>
/// Random operators, engines and clients against one control plane, and what must hold after every step: no rank above its
/// window, credits conserved, no room twice, every room closed or expired.
/// </summary>
public sealed class ControlPlanePropertyTests
{
    [Fact]
    public void Whatever_happens_in_whatever_order() => SeededRandom.ForEachSeed(80, random => new World(random).Run(steps: 400));

    private sealed class World
    {
        private readonly Random _random;
        private readonly TestFleet _fleet;
        private readonly List<HeldLease> _live = [];
        private readonly List<WaitingRequest> _waiting = [];
        private readonly List<ReadinessCheck> _trials = [];
        private readonly HashSet<long> _rooms = [];
        private int _names;

        public World(Random random)
        {
            _random = random;
            _fleet = new TestFleet(
                new()
                {
                    Policy = One(PolicyTable.Names),
                    DecodePolicy = One(PolicyTable.Names),
                    DpRanks = One(Enum.GetValues<DpRankMode>()),
                    PrefixIndexBlocks = 1024,
                    QueueSize = 10,
                    MaxConcurrentRequests = One([-1, 8]),
                    PdMinUncachedTokens = One([0, 1000]),
                    PdFallback = random.Next(2) == 0,
                    CbFailureThreshold = 3,
                    CbSuccessThreshold = 1,
                    StallSuspectSecs = 10,
                    StallBrokenSecs = 20,
                    MaxPrefillTokensPerRank = 8000,
                },
                random.Next());
            foreach (var role in (
                WorkerRole[])[WorkerRole.Prefill, WorkerRole.Prefill, WorkerRole.Decode, WorkerRole.Decode, WorkerRole.Regular])
            {
                Add(role, ready: true);
            }
        }

        private ControlPlaneState State => _fleet.State;

        public void Run(int steps)
        {
            for (var step = 0; step < steps; step++)
            {
                _fleet.Now = _fleet.Now.AddMilliseconds(_random.Next(_random.Next(20) == 0 ? 30_000 : 200));
                Act();
                foreach (var granted in _fleet.Granted())
                {
                    Assert.True(_waiting.Remove(granted));
                    if (granted.Grant!.Value.Lease is { } lease)
                        Granted(lease);
                }
                Check();
            }
            End();
        }

        private void Act()
        {
            switch (_random.Next(16))
            {
                case 0 or 1 or 2 or 3:
                    Acquire();
                    break;
                case 4 or 5 or 6 when _live.Count > 0:
                    EndLeg(One(_live));
                    break;
                case 7 when _waiting.Count > 0:
                    var waiting = One(_waiting);
                    var left = _random.Next(2) == 0
                        ? State.Abandon(waiting, _fleet.Now, _fleet.Timestamp)
                        : State.TimedOut(waiting, _fleet.Now, _fleet.Timestamp);
                    Assert.True(left);
                    _waiting.Remove(waiting);
                    break;
                case 8:
                    State.Tick(_fleet.Now, _fleet.Timestamp, TimeSpan.TicksPerSecond);
                    break;
                case 9:
                    Try();
                    break;
                case 10 when _random.Next(3) == 0:
                    Add(One(Enum.GetValues<WorkerRole>()), ready: _random.Next(2) == 0);
                    break;
                case 11 when Any() is { } worker:
                    Operate(worker);
                    break;
                case 12 when Any() is { } worker:
                    Restart(worker);
                    break;
                case 13 when Any() is { } worker:
                    Report(worker);
                    break;
                case 14:
                    var room = _live.Count > 0 && _random.Next(2) == 0 ? One(_live).Room : _random.NextInt64(1, long.MaxValue);
                    if (room > 0)
                        State.RegisterRank(room, _random.Next(4), null, _fleet.Now);
                    break;
                default:
                    break;
            }
        }

        private void Acquire()
        {
            var answer = _fleet.Ask(new PairRequest
            {
                Items = _random.Next(4) == 0 ? _random.Next(1, 6) : 1,
                PromptTokens = _random.Next(5000),
                MaxNewTokens = _random.Next(-1, 600),
                SessionKey = (ulong)_random.Next(5),
                PrefixBlocks = Enumerable.Range(0, _random.Next(80)).Select(i => (ulong)((i + 1) * 7919)).ToArray(),
                Priority = _random.Next(3),
                Attempt = _random.Next(2),
                AvoidPrefill = _random.Next(4) == 0 ? Any()?.Id ?? default : default,
                AvoidDecode = _random.Next(4) == 0 ? Any()?.Id ?? default : default,
                Near = _random.Next(6) == 0 && _live.Count > 0 ? One(_live) : null,
                MaxWait = TimeSpan.FromSeconds(_random.Next(2) * 10),
            });
            if (answer.Grant?.Lease is { } lease)
                Granted(lease);
            else if (answer.Waiting is { } waiting)
                _waiting.Add(waiting);
            else
                Assert.NotNull(answer.Grant!.Value.Refusal);
        }

        /// <summary>Checked at each grant: the capacity may be lowered later, while leases are held.</summary>
        private void Granted(PairLease granted)
        {
            var lease = (HeldLease)granted;
            foreach (var room in lease.Rooms.Span)
                Assert.True(room > 0 && _rooms.Add(room), $"room {room} was minted before");
            Assert.Equal(lease.IsRegular ? 0 : lease.Items, lease.Rooms.Length);
            if (lease.Prefill is { } prefill)
            {
                Within(prefill, lease.PrefillRank);
                Assert.Equal(prefill.TransferGroup, lease.Decode.TransferGroup);
            }
            Within(lease.Decode, lease.DecodeRank);
            _live.Add(lease);

            void Within(WorkerSnapshot worker, int cell)
            {
                ref readonly var load = ref State.Admission.Catalog.Load(worker.Slot, cell);
                Assert.InRange(load.Running, 1, load.Capacity);
                Assert.True(worker.IsPairable || lease.PrefillHalfOpen || lease.DecodeHalfOpen, $"{worker} was given");
            }
        }

        private void EndLeg(HeldLease lease)
        {
            var side = (LegSide)_random.Next(2);
            var open = side == LegSide.Prefill ? !lease.PrefillEnded : !lease.DecodeEnded;
            Assert.Equal(open, _fleet.End(lease, side, (LegOutcome)_random.Next(3)));
            if (lease.Ended)
                _live.Remove(lease);
        }

        private void Try()
        {
            if (_trials.Count > 0 && _random.Next(2) == 0)
            {
                var trial = One(_trials);
                _trials.Remove(trial);
                State.EndReadinessCheck(trial, One([true, true, false, (bool?)null]), "a reason", _fleet.Now, _fleet.Timestamp);
            }
            else if (Any() is { } worker && State.BeginReadinessCheck(worker.Id, _fleet.Now) is { } begun)
            {
                _trials.Add(begun);
            }
        }

        private void Operate(WorkerSnapshot worker)
        {
            switch (_random.Next(4))
            {
                case 0:
                    State.Remove(worker.Id, force: false, _fleet.Now, _fleet.Timestamp);
                    break;
                case 1:
                    State.Remove(worker.Id, force: true, _fleet.Now, _fleet.Timestamp);
                    break;
                case 2 when worker.Role != WorkerRole.Regular:
                    State.BeginSwitch(worker.Id, worker.Role == WorkerRole.Prefill ? WorkerRole.Decode
                        : WorkerRole.Prefill, _fleet.Now, _fleet.Timestamp);
                    break;
                default:
                    // Only an idle engine switches: the host waits for that.
                    if (State.InFlightAndChecks(worker.Id) == 0)
                        _fleet.Apply(worker.Id, new WorkerInput.SwitchEnded(_random.Next(2) == 0));
                    break;
            }
        }

        private void Restart(WorkerSnapshot worker)
        {
            for (var i = 0; i < _random.Next(4); i++)
                _fleet.Apply(worker.Id, new WorkerInput.Missed("nobody is there", Refused: true));
            _fleet.Apply(worker.Id, new WorkerInput.Described(
                worker.Facts with { DpSize = worker.DpSize, ProcessIdentity = $"seed={_random.Next(3)}" }));
        }

        private void Report(WorkerSnapshot worker)
        {
            var readings = Enumerable.Range(0, worker.DpSize)
                .Select(rank => new RankReading(rank, Running: _random.Next(6), Waiting: _random.Next(3))
                {
                    Tokens = _random.Next(9000),
                    Age = TimeSpan.FromMilliseconds(_random.Next(3000)),
                    MaxRunning = _random.Next(4) == 0 ? _random.Next(1, 6) : null,
                });
            _fleet.ReportLoad(worker.Id, [.. readings]);
        }

        /// <summary>What the control plane counts on each rank is what is out there, no more and no less.</summary>
        private void Check()
        {
            var held = new Dictionary<(int Slot, int Cell), (int Items, long Tokens)>();
            foreach (var lease in _live)
            {
                if (!lease.PrefillEnded)
                    Count(lease.Prefill!.Slot, lease.PrefillRank, lease.Items, lease.PrefillTokens);
                if (!lease.DecodeEnded)
                    Count(lease.Decode.Slot, lease.DecodeRank, lease.Items, lease.DecodeTokens);
            }
            foreach (var worker in State.Fleet.Workers)
            {
                for (var rank = 0; State.Admission.Catalog.SetOf(worker.Slot) is not null
                    && rank < State.Admission.Catalog.Ranks(worker); rank++)
                {
                    ref readonly var load = ref State.Admission.Catalog.Load(worker.Slot, rank);
                    Assert.Equal(held.GetValueOrDefault((worker.Slot, rank)), (load.Running, load.Tokens));
                }
                Assert.Equal(held.Where(h => h.Key.Slot == worker.Slot)
                    .Sum(h => h.Value.Items), State.Admission.Catalog.InFlight(worker.Slot));
            }
            Assert.Equal((_live.Count, _waiting.Count), (State.Live, State.Waiting));
            var rooms = State.Rooms;
            Assert.Equal(rooms.Opened + rooms.Entered, rooms.Closed + rooms.Expired + rooms.Held);

            void Count(int slot, int cell, int items, long tokens)
            {
                var (i, t) = held.GetValueOrDefault((slot, cell));
                held[(slot, cell)] = (i + items, t + tokens);
            }
        }

        private void End()
        {
            State.Stop();
            foreach (var refused in _fleet.Granted())
            {
                Assert.Equal(RefusalReason.ShuttingDown, refused.Grant!.Value.Refusal!.Reason);
                _waiting.Remove(refused);
            }
            foreach (var trial in _trials)
                State.EndReadinessCheck(trial, null, null, _fleet.Now, _fleet.Timestamp);
            foreach (var lease in _live.ToArray())
                _fleet.EndBoth(lease, LegOutcome.Neutral);
            _live.Clear();
            Check();
            for (var i = 0; i < 3; i++)
            {
                _fleet.Now = _fleet.Now.AddSeconds(_fleet.Options.RoomTtlSecs);
                State.Tick(_fleet.Now, _fleet.Timestamp, TimeSpan.TicksPerSecond);
            }
            Assert.Equal((0, 0), (State.Rooms.Held, State.Rooms.Pinned));
            Check();
        }

        private void Add(WorkerRole role, bool ready) =>
            _fleet.Add(role, $"w{_names++}", TestFleet.Facts(dp: _random.Next(1, 4), slots: _random.Next(1, 6)), ready);

        private WorkerSnapshot? Any() =>
            State.Fleet.Workers.IsEmpty ? null : State.Fleet.Workers[_random.Next(State.Fleet.Workers.Length)];

        private T One<T>(IReadOnlyList<T> all) => all[_random.Next(all.Count)];
    }
}

using System.Collections.Immutable;
using OrleansPd.Core.Placement;
using OrleansPd.Core.Workers;

namespace OrleansPd.Core.Tests.Placement;

/// <summary>When a writer moves, and that it does not move to and fro.</summary>
public class MoveWatchTests
{
    private static readonly DateTimeOffset Start = new(2026, 1, 1, 0, 0, 0, TimeSpan.Zero);
    private static readonly SiloLocation Beside = new("beside", "10.0.0.1", "gpu-1", "a");
    private static readonly SiloLocation Near = new("near", "10.0.0.2", "gpu-2", "a");
    private static readonly SiloLocation Far = new("far", "10.0.0.3", "gpu-3", "b");
    private readonly MoveTimer _watch = new(TimeSpan.FromSeconds(10), Start);

    private string? Next(double second, SiloLocation here, params SiloLocation[] silos) => _watch.Next(
        new WorkerId("w"),
        new WorkerSpec
        {
            Url = new Uri("http://10.0.0.1:30000"),
            Role = WorkerRole.Decode,
            Labels = ImmutableDictionary<string, string>.Empty.Add("node", "gpu-1").Add("zone", "a"),
        },
        here, silos, Start.AddSeconds(second))?.Silo;

    [Fact]
    public void It_moves_when_a_nearer_silo_has_been_there_for_a_while()
    {
        Assert.Null(Next(20, Far, Far));
        Assert.Null(Next(21, Far, Far, Beside));
        Assert.Null(Next(30.9, Far, Far, Beside));
        Assert.Equal("beside", Next(31, Far, Far, Beside));
    }

    [Fact]
    public void It_never_moves_to_one_that_is_as_near_or_farther()
    {
        for (var second = 0; second < 100; second++)
        {
            Assert.Null(Next(second, Beside, Near, Far, Beside));
            Assert.Null(Next(second, Near, Far, Near with { Silo = "another" }));
        }
    }

    [Fact]
    public void A_silo_that_restarts_again_and_again_moves_no_grain()
    {
        for (var second = 0.0; second < 200; second++)
            Assert.Null((int)second % 9 < 8 ? Next(second, Far, Far, Beside) : Next(second, Far, Far));
        for (var process = 0; process < 20; process++) // each process of a silo has a new id
        {
            for (var second = 0; second < 9; second++)
                Assert.Null(Next(200 + (process * 9) + second, Far, Far, Beside with { Silo = $"process {process}" }));
        }
    }

    [Fact]
    public void A_writer_that_has_just_come_stays_for_a_while()
    {
        for (var second = 0; second < 10; second++)
            Assert.Null(Next(second, Far, Far, Near, Beside));
        Assert.Equal("beside", Next(10, Far, Far, Near, Beside));
    }
}

using Microsoft.Extensions.DependencyInjection;
using Orleans.Serialization;
using OrleansPd.PreviousContracts;

// Lines in, lines out: "write" answers what an old silo sends, "report BASE64" and "room BASE64" what it reads.
await using var services = new ServiceCollection().AddSerializer().BuildServiceProvider();
var serializer = services.GetRequiredService<Serializer>();
while (Console.ReadLine() is { } line)
{
    var words = line.Split(' ');
    switch (words[0])
    {
        case "write":
            var report = new OldReport
            {
                Batch = 4,
                Claim = new()
                {
                    Gateway = "old",
                    Ledger = 9,
                    Ranks = [new() { Held = 3, Peak = 2, Running = 1, Wanted = 7 }],
                    Sequence = 12
                },
                Epoch = 2,
                Registration = 77,
                Stalled = TimeSpan.FromSeconds(5),
            };
            Console.WriteLine($"{Text(report)} {Text(new OldRoomClaim(1L << 61, 6))}");
            break;
        case "report":
            var read = serializer.Deserialize<OldReport>(Convert.FromBase64String(words[1]));
            var rank = read.Claim.Ranks[0];
            Console.WriteLine($"{read.Claim.Gateway} {read.Claim.Sequence} {read.Claim.Ledger} {rank.Held} {rank.Running} "
                + $"{rank.Wanted} {rank.Peak} "
                + $"{read.Registration} {read.Epoch} {read.Batch} {read.Stalled.TotalSeconds}");
            break;
        case "room":
            var claim = serializer.Deserialize<OldRoomClaim>(Convert.FromBase64String(words[1]));
            Console.WriteLine($"{claim.Room} {claim.Rank}");
            break;
    }
}

string Text<T>(T value) => Convert.ToBase64String(serializer.SerializeToArray(value));

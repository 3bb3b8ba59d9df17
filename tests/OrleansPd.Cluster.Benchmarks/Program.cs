using OrleansPd.Cluster.Benchmarks;

return args switch
{
    ["rooms", .. var rest] => await RoomsCommand.RunAsync(Count(rest, 100_000)),
    ["reminders", .. var rest] => await RemindersCommand.RunAsync(Count(rest, 20_000), TimeSpan.FromSeconds(10)),
    ["--smoke"] => await RoomsCommand.RunAsync(200) + await RemindersCommand.RunAsync(50, TimeSpan.FromSeconds(1)),
    ["silo", var redis, var cluster] => await BenchSilo.RunUntilKilledAsync(redis, cluster),
    _ => Usage(),
};

static int Count(string[] arguments, int otherwise) =>
    arguments is ["--rooms", var text] && int.TryParse(text, out var count) && count > 0 ? count
    : arguments is [] ? otherwise
    : throw new ArgumentException($"'{string.Join(' ', arguments)}' is not --rooms N");

static int Usage()
{
    Console.Error.WriteLine("""
        usage: dotnet run -c Release --project tests/OrleansPd.Cluster.Benchmarks -- COMMAND
          rooms [--rooms N]      one grain for each room against shards of the room table: cost, memory, after a kill.
                                 Default 100000 rooms
          reminders [--rooms N]  one reminder for each room against one for each shard. Default 20000 rooms
          --smoke                both with few rooms: that they run, not what they cost
        Each starts a redis-server of its own, which must be on the PATH, and a second silo, which is killed.
        """);
    return 2;
}

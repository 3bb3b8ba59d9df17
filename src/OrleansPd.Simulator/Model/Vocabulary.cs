using System.Buffers.Binary;
using System.Collections.Frozen;

namespace OrleansPd.Simulator.Model;

/// <summary>
/// The vocabulary of the simulated model. Each word is at most eight bytes and begins with a space, so that text of the model
/// appended to any prompt is cut into the very tokens it was made of.
/// </summary>
internal static class Vocabulary
{
    /// <summary>End of sequence; has no text.</summary>
    public const int Eos = 2;

    private const int FirstWord = 1000;
    private const int FirstFancy = 2000;
    private const int FirstHashed = 1 << 16;

    private const string WordList = """
        a about above after again air all also always and any are around as at away back be been before began below best
        big birds blue book both boat bridge bring but by call came can carry city clear close cloud cold come could day
        deep did do door down draw each early earth east end even every eye face fair far farm few field fire first
        fish five for found four from full gave get give go good grass great green grew had half hand hard have he head
        heard help her here high hill his home hour house how ice idea if in into iron is island it its just keep kind
        king knew lake land large last late lay leaf learn left let light like line list little long look love low made
        make man many map mark may mean men might mile mind moon more morning most mother move much music must name near
        need never new next night no north not note now number of off often old on once one only open or other our out
        over own page paper part past path people place plain plan plant play point pull rain ran reach read real red
        rest right river road rock room round run said sail same saw say sea second see seen set seven shape she ship
        short should show side sing six slow small snow so some song soon south stand star start stay still stone stood
        stop story street strong such summer sun table take talk tell ten than that the their them then there these they
        thing think this those though three time to today told too took top town trail travel tree true turn two under
        until up upon use valley very voice walk wall warm was watch water wave way we week well went were west what
        wheel when where which while white who why wide will wind winter with wood word work world would write year yes
        you young your
        """;

    private static readonly string[] Words = [.. WordList
        .Split([' ', '\n', '\r'], StringSplitOptions.RemoveEmptyEntries).Distinct().Select(word => " " + word)];

    /// <summary>Words that a careless JSON or UTF-8 handling would break.</summary>
    private static readonly string[] Fancy =
        [" \"so\"", " it's", " a\\b", " end.\n", " caf\u00e9", " \u65e5\u672c", " \U0001F642", " <b>", " \ttab", " na\u00efve"];

    private static readonly FrozenDictionary<ulong, int> Ids = Words.Select((word, i) => (word, id: FirstWord + i))
        .Concat(Fancy.Select((word, i) => (word, id: FirstFancy + i)))
        .ToFrozenDictionary(pair => Pack(Encoding.UTF8.GetBytes(pair.word)), pair => pair.id);

    /// <summary>
    /// The id of a piece of at most eight bytes: that of the word, or one above the vocabulary computed from its bytes.
    /// </summary>
    public static int IdOf(ReadOnlySpan<byte> piece)
    {
        var packed = Pack(piece);
        return Ids.TryGetValue(packed, out var id)
            ? id
            : FirstHashed + (int)(Mixing.Fold(packed, 0x5bd1e995) % 0x3fff_0000);
    }

    public static string TextOf(int id) => id switch
    {
        Eos => "",
        >= FirstWord and < FirstFancy when id - FirstWord < Words.Length => Words[id - FirstWord],
        >= FirstFancy and < FirstHashed when id - FirstFancy < Fancy.Length => Fancy[id - FirstFancy],
        _ => string.Create(CultureInfo.InvariantCulture, $" u{id:x}"),
    };

    /// <summary>One word for a number drawn at random.</summary>
    public static int Draw(ulong random, bool fancy) => fancy && (random >> 48) % 32 == 0
        ? FirstFancy + (int)(random % (ulong)Fancy.Length)
        : FirstWord + (int)(random % (ulong)Words.Length);

    private static ulong Pack(ReadOnlySpan<byte> piece)
    {
        Span<byte> eight = stackalloc byte[8];
        eight.Clear();
        piece.CopyTo(eight);
        return BinaryPrimitives.ReadUInt64LittleEndian(eight);
    }
}

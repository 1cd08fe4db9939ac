"""Names for what is invented: words of nature and colour, so that no real person, place or school is meant."""


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.split())


GIVEN = _words(
    "Acorn Alder Amberly Barley Bilberry Birch Bracken Bramble Breeze Brooklet Burdock Catkin Cedar Chaffinch Cicely "
    "Cloudlet Clover Comfrey Cowslip Curlew Dewdrop Dunnock Elderflower Fennel Fernlet Fieldfare Flaxen Gorse "
    "Gosling Harebell Hazelnut Heathery Hyssop Juniper Kestrel Lapwing Larch Lichen Linden Linnet Lovage Mallow "
    "Maplekey Marigold Meadowsweet Mistle Mossy Nightjar Oatgrass Osprey Pebble Pippin Plover Quince Redstart "
    "Rushlight Samphire Sandpiper Sedge Skylark Sorrel Starling Sundew Tansy Teasel Thistle Vetch Wagtail Waxwing "
    "Whinchat Willowherb Wren Yarrow"
)

FAMILY = _words(
    "Beechmast Bluebellow Brackenridge Brooklime Cloudberry Cobblebrook Cranesbill Dapplewood Deepfurrow Dewpond "
    "Driftmere Dunesand Eiderdown Fallowgate Ferncombe Foxglove Frostfield Gorsebank Greywether Hailstone Hawkweed "
    "Hedgerow Honeydew Ironbark Larkspur Leafmould Limestone Longshadow Marshlight Mistletoe Moonwort Mossbank "
    "Nettlebed Nutshell Oakapple Oatfield Otterholt Owlpellet Pebblestone Pinecone Pondweed Puddleduck Quickthorn "
    "Ragwort Rainbarrel Reedmace Riverstone Rockrose Rosehip Rushmat Saltmarsh Sandbank Seakale Silverweed Snowmelt "
    "Speedwell Springtide Starflower Stonecrop Sunbeam Sweetbriar Thistledown Thundercloud Timberline Toadflax "
    "Treebark Twayblade Underleaf Watermint Weathervane Whitecap Windfall Wintergreen Woodruff Yellowhammer"
)

COLOURS = _words("Amber Bronze Copper Coral Crimson Golden Indigo Ivory Russet Scarlet Silver Violet")
CREATURES = _words("Badger Beetle Dragonfly Egret Hedgehog Heron Kingfisher Moth Otter Salamander Swift Vole")
